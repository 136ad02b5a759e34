# SPDX-License-Identifier: MIT
"""One HTML file that needs nothing beside it: tables, plots, explanations, targets."""
import html

from . import boot, counters, cpu, disks, explain, plots, table

TITLE = {"io": "Disks and networks", "cpu": "User code and the kernel's services", "boot": "Boot"}
MODULES = {"io": disks, "cpu": cpu, "boot": boot}
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222;
  max-width: 76em; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.2em; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0; display: block; overflow-x: auto; }
th, td { padding: 2px 9px; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
th { border-bottom: 1px solid #888; vertical-align: bottom; }
td.text, th.text { text-align: left; } tr.first td { border-top: 1px solid #bbb; }
td.met { color: #2c7a3f; font-weight: 600; } td.missed { color: #b3312c; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content auto; gap: 2px 1em; }
dt { color: #666; } dd { margin: 0; }
svg { max-width: 100%; height: auto; display: block; margin: 1em 0; } .note { color: #8a5a00; }
@media (prefers-color-scheme: dark) { svg { background: #fff; } }
"""


def _escape(value):
    return html.escape(str(value))


def _table(head, body, text):
    """text: columns of words."""
    cell = lambda tag, i, value: "<%s%s>%s</%s>" % (
        tag,
        ' class="text"' if i in text else "",
        _escape(value),
        tag,
    )
    lines = ["<table><tr>%s</tr>" % "".join(cell("th", i, v) for i, v in enumerate(head))]
    for row in body:
        lines.append(
            "<tr%s>%s</tr>"
            % (' class="first"' if row[0] else "", "".join(cell("td", i, v) for i, v in enumerate(row)))
        )
    return "\n".join(lines) + "</table>"


def _targets(targets):
    lines = [
        "<table><tr>%s</tr>"
        % "".join(
            '<th class="text">%s</th>' % h for h in ("", "", "", "system", "to reach", "measured", "missing")
        )
    ]
    for t in targets:
        word = '<td class="%s">%s</td>' % (("met", "met") if t["met"] else ("missed", "missed"))
        lines.append(
            "<tr>%s%s</tr>"
            % (
                word,
                "".join(
                    '<td class="text">%s</td>' % _escape(v)
                    for v in (
                        t["bench"],
                        t["job"],
                        table.label(t["job"], t["system"]),
                        t["wanted"],
                        t["measured"],
                        t["missing"],
                    )
                ),
            )
        )
    return "\n".join(lines) + "</table>"


def _reasons(results, bench):
    """Exits by reason and hypercalls by name, in figures."""
    records = [r for r in results.records if r["bench"] == bench and r.get("exits")]
    reasons = [reason for reason in counters.REASONS if any(reason in r["exits"] for r in records)]
    body, last = [], None
    for r in records:
        calls = sorted(r.get("hypercalls", {}).items(), key=lambda c: -c[1])
        body.append(
            [
                r["job"] if r["job"] != last else "",
                table.label(r["job"], r["system"]),
                explain.number(r["exits_total"]),
            ]
            + [explain.number(r["exits"][reason]) if reason in r["exits"] else "" for reason in reasons]
            + [
                explain.number(r["interrupts"]),
                explain.number(r["host_calls"]),
                ", ".join("%s %s" % (name, explain.number(n)) for name, n in calls[:6]),
            ]
        )
        last = r["job"]
    head = (
        ["", "", "exits"]
        + [counters.REASONS[reason] for reason in reasons]
        + ["interrupts taken", "host calls", "hypercalls by name"]
    )
    return _table(head, body, {0, 1, len(head) - 1}) if records else ""


def _bench(results, bench):
    head, body = table.rows(results, bench)
    text = {0, 1, len(head) - 1} if bench in table.WIDE else {0, 1}
    parts = ["<h2>%s</h2>" % TITLE[bench], "<dl>"]
    for system in results.systems(bench):
        parts.append(
            "<dt>%s</dt><dd>%s</dd>" % (_escape(system), _escape(MODULES[bench].TEXT.get(system, "")))
        )
    parts += ["</dl>", _table(head, body, text)]
    parts += plots.of(results, bench) if plots.available() else []
    reasons = _reasons(results, bench)
    if reasons:
        parts += ["<h3>Exits by reason</h3>", reasons]
    found = explain.all_of(results, bench)
    if found:
        parts.append("<h3>Why</h3>")
    for job, texts in found:
        parts.append(
            "<p><b>%s</b></p><ul>%s</ul>" % (_escape(job), "".join("<li>%s</li>" % _escape(t) for t in texts))
        )
    return parts


def write(results, targets, path):
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><title>ring3 bench</title>',
        "<style>%s</style></head><body>" % STYLE,
        "<h1>ring3 bench</h1>",
        "<dl>",
    ]
    parts += ["<dt>%s</dt><dd>%s</dd>" % (_escape(name), _escape(value)) for name, value in results.about]
    parts.append("</dl>")
    notes = list(results.notes)
    if not plots.available():
        notes.append("no plots: matplotlib is not installed (Debian: python3-matplotlib)")
    parts += ['<p class="note">%s</p>' % _escape(note) for note in notes]
    parts += ["<p>%s</p>" % _escape(text) for text in [table.LEGEND] + table.steadiness(results)]
    if targets:
        parts += ["<h2>Targets</h2>", _targets(targets)]
        parts.append("<p>%s</p>" % _escape(" ".join(table.unmeasured(results))))
    for bench in results.benches():
        parts += _bench(results, bench)
    parts.append("</body></html>")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(parts) + "\n")
