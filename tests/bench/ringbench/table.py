# SPDX-License-Identifier: MIT
"""The results as text: a table a benchmark, the targets, the explanations."""
import textwrap

from . import explain, targets as goals
from .results import label

WIDE = ("cpu",)  # a column a system; the others: a line a job and system
LEGEND = """\
CPU us: the host's CPU time of an operation (TCP streams: of an MB), of all the machine's processes.
Exits: ways from guest code to ring3, of an operation (networks: of a packet).
Native: what the host itself reached beside it, the mean of a moment before and after (MB/s, us, or IOPS).
"of": how good in units of the other, above 1 is better."""


def figure(value):
    return (
        "-"
        if value is None
        else "%.3f" % value
        if value < 10
        else "%.1f" % value
        if value < 100
        else "%.0f" % value
    )


def ratio(results, bench, job, system, other):
    """How good system is, in units of other."""
    a, b = results.get(bench, job, system), results.get(bench, job, other)
    if not a or not b or not a["value"] or not b["value"] or system == other:
        return None
    return a["value"] / b["value"] if a["better"] == "higher" else b["value"] / a["value"]


def twin(system):
    """The system on QEMU that is like one of ring3's."""
    return {
        "ring3": "tcg",
        "ring3-ide": "tcg-ide",
        "ring3-virtio": "tcg-virtio",
        "ring3-pv": "tcg-virtio",
        "ring3-cloud": "tcg-cloud",
        "ring3-none": "tcg-pv",
    }.get(system, "")


def rows(results, bench):
    """(head, rows) of strings: shown as text here, as HTML in report.py."""
    if bench in WIDE:
        return _wide(results, bench)
    head = [
        "",
        "",
        "IOPS",
        "MB/s",
        "mean us",
        "p50",
        "p99",
        "p99.9",
        "CPU us",
        "exits",
        "native",
        "of native",
        "of TCG",
    ]
    keys = ["iops", "mbs", "us", "p50", "p99", "p999", "cpu_us", "exits_total", "native", "of_native"]
    if bench == "boot":
        head, keys = ["", "", "ms", "median", "CPU us", "exits", "of TCG"], [
            "value",
            "median",
            "cpu_us",
            "exits_total",
        ]
    body = []
    for job in results.jobs(bench):
        for n, system in enumerate(results.systems(bench, job)):
            r = results.get(bench, job, system)
            line = [job if n == 0 else "", label(job, system)] + [figure(r.get(k)) for k in keys]
            body.append(line + [figure(ratio(results, bench, job, system, twin(system)))])
    return head, body


def steadiness(results):
    """How far the host's own figures went apart while the systems took turns: [sentence]."""
    found = []
    for job in results.jobs("io"):
        r = results.get("io", job, "native")
        if r and r["times"] > 1:
            found.append("%s %.0f to %.0f %s" % (job, r["low"], r["high"], r["unit"]))
    return ["The host itself, lowest and highest: %s." % "; ".join(found)] if found else []


def _wide(results, bench):
    systems = results.systems(bench)
    pairs = [
        p for p in (("ring3", "native"), ("ring3", "tcg"), ("ring3-pv", "ring3")) if set(p) <= set(systems)
    ]
    exits = [
        s
        for s in ("ring3", "ring3-pv")
        if any(
            results.get(bench, j, s) and "exits_total" in results.get(bench, j, s)
            for j in results.jobs(bench)
        )
    ]
    head = (
        ["", "unit"]
        + systems
        + ["%s of %s" % p for p in pairs]
        + ["exits " + s for s in exits]
        + ["one operation"]
    )
    body = []
    for job in results.jobs(bench):
        records = {s: results.get(bench, job, s) for s in systems}
        one = next(r for r in records.values() if r)
        body.append(
            [job, one["unit"]]
            + [figure(records[s] and records[s]["value"]) for s in systems]
            + [figure(ratio(results, bench, job, *p)) for p in pairs]
            + [figure(records[s] and records[s].get("exits_total")) for s in exits]
            + [one["what"]]
        )
    return head, body


def _aligned(head, body, left):
    widths = [max(len(row[i]) for row in [head] + body) for i in range(len(head))]
    for row in [head] + body:
        yield "  ".join(
            text.ljust(width) if i in left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths))
        ).rstrip()


def unmeasured(results):
    found = goals.unmeasured(results)
    return textwrap.wrap("Not judged, for want of a figure: %s." % "; ".join(found), 110) if found else []


def why_missed(results, targets, f):
    """What was counted where a system was to be better against another one."""
    texts = []
    for t in targets:
        pair = [results.get(t["bench"], t["job"], system) for system in (t["against"], t["system"])]
        if not t["met"] and all(pair):
            texts.append("%s: %s" % (t["job"], explain.pair(*pair)))
    if texts:
        print("\n== why those are missed (of all others: table.txt, report.html)", file=f)
    for text in dict.fromkeys(texts):
        print(textwrap.fill(text, 110, subsequent_indent="    "), file=f)


def write(results, targets, f, explanations=True):
    """Everything, to a file."""
    for name, value in results.about:
        print("%s: %s" % (name, value), file=f)
    for note in results.notes:
        print("note: " + note, file=f)
    for bench in results.benches():
        head, body = rows(results, bench)
        print("\n== %s" % bench, file=f)
        for line in _aligned(head, body, {0, 1, len(head) - 1} if bench in WIDE else {0, 1}):
            print(line, file=f)
    if results.benches():
        print("\n" + LEGEND, file=f)
    for text in steadiness(results):
        print(textwrap.fill(text, 110, subsequent_indent="    "), file=f)
    if targets:
        print("\n== targets", file=f)
        lines = [
            [
                "met" if t["met"] else "MISSED",
                t["bench"],
                t["job"],
                label(t["job"], t["system"]),
                t["wanted"],
                t["measured"],
                t["missing"],
            ]
            for t in targets
        ]
        for line in _aligned(["", "", "", "", "to reach", "measured", "missing"], lines, range(7)):
            print(line, file=f)
        for line in unmeasured(results):
            print(line, file=f)
    if not explanations:
        why_missed(results, targets, f)
        return
    for bench in results.benches():
        found = explain.all_of(results, bench)
        if found:
            print("\n== why, %s" % bench, file=f)
        for job, texts in found:
            for text in texts:
                print(textwrap.fill("%s: %s" % (job, text), 110, subsequent_indent="    "), file=f)
