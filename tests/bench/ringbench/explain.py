# SPDX-License-Identifier: MIT
"""Why two systems differ: the exits of one operation, reason by reason, and the CPU time.

A sentence says what was counted and nothing else; where the exits do not account for the
difference, it shows in the sentence as well.
"""
from . import counters
from .results import label

# Which systems are held against each other, the later against the earlier.
PAIRS = {
    "io": [
        ("ring3-ide", "ring3-virtio"),
        ("ring3-virtio", "ring3-pv"),
        ("native", "ring3-pv"),
        ("native", "ring3-virtio"),
        ("ring3-virtio", "ring3-virtio-abi"),
        ("tcg-virtio", "ring3-virtio"),
    ],
    "cpu": [("ring3", "ring3-pv")],
    "boot": [("ring3-cloud", "ring3-none"), ("ring3-none", "ring3-pv"), ("tcg-cloud", "ring3-cloud")],
}
WORTH = 0.02  # of all exits: below that a reason is not worth a word


def number(value):
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


def _reasons(a, b):
    """Differences by reason, the largest first: "3.00 fewer by device memory (3.00 -> 0)"."""
    before, after = a["exits"], b["exits"]
    total = max(a["exits_total"], b["exits_total"])
    found = []
    for reason, text in counters.REASONS.items():
        x, y = before.get(reason, 0), after.get(reason, 0)
        if abs(x - y) > WORTH * total:
            found.append(
                (abs(x - y), "%s %s (%s to %s)" % ("fewer" if y < x else "more", text, number(x), number(y)))
            )
    return [text for _, text in sorted(found, key=lambda f: -f[0])]


def pair(a, b):
    """b held against a; against the host as it was beside b."""
    if a["system"] == "native" and "native" in b:
        a = dict(a, value=b["native"])
    ratio = b["value"] / a["value"] if a["value"] else 0
    if b["better"] == "lower":
        words = "%s %s against %s: %s" % (
            number(b["value"]),
            b["unit"],
            number(a["value"]),
            "%.2f times as fast" % (1 / ratio) if ratio else "?",
        )
    else:
        words = "%s %s against %s: %.2f of it" % (number(b["value"]), b["unit"], number(a["value"]), ratio)
    text = "%s is held against %s: %s." % (label(b["job"], b["system"]), label(a["job"], a["system"]), words)
    per = b.get("per", "operation")
    if a.get("exits") and b.get("exits"):
        text += " Exits of one %s: %s against %s" % (per, number(b["exits_total"]), number(a["exits_total"]))
        reasons = _reasons(a, b)
        text += ": " + "; ".join(reasons) + "." if reasons else ", of the same reasons."
    elif b.get("exits"):
        top = sorted(b["exits"].items(), key=lambda e: -e[1])[:4]
        text += " %s; here there are %s for one %s: %s." % (
            "The host has no exits" if a["system"] == "native" else "QEMU's exits are not counted",
            number(b["exits_total"]),
            per,
            ", ".join("%s %s" % (counters.REASONS[reason], number(n)) for reason, n in top),
        )
    if per == "packet" and a.get("packet_bytes") and b.get("packet_bytes") and b["unit"] == "MB/s":
        text += " A packet has %.0f bytes against %.0f." % (b["packet_bytes"], a["packet_bytes"])
    calls = sorted(b.get("hypercalls", {}).items(), key=lambda c: -c[1])
    calls = [c for c in calls if c[1] > WORTH * b["exits_total"]][:5]
    if calls:
        text += " Hypercalls: " + ", ".join("%s %s" % (name, number(n)) for name, n in calls) + "."
    if a.get("cpu_us") and b.get("cpu_us") and b["bench"] == "io":
        saved, unit = (
            a["cpu_us"] - b["cpu_us"],
            "MB" if b["unit"] == "MB/s" and per == "packet" else "operation",
        )
        text += " The host's CPU: %s us an %s %s." % (
            number(abs(saved)),
            unit,
            "less" if saved > 0 else "more",
        )
        fewer = a.get("exits_total", 0) - b.get("exits_total", 0)
        if unit == "operation" and a.get("exits") and saved > 0 and fewer > 0.1:
            text += " That is %s us for each exit that is saved." % number(saved / fewer)
    return text


def all_of(results, bench):
    """[(job, [sentence])]"""
    found = []
    for job in results.jobs(bench):
        texts = []
        for x, y in PAIRS[bench]:
            a, b = results.get(bench, job, x), results.get(bench, job, y)
            if a and b:
                texts.append(pair(a, b))
        if texts:
            found.append((job, texts))
    return found
