# SPDX-License-Identifier: MIT
"""What is to be reached, each a line: wanted, measured, met or by how much missed."""

from .results import label

# kind, bench, job, system, against which system (or job: "job:NAME"), limit, what it compares
#   at-least   times as good as the other (rates: a / b, times: b / a)
#   above      at most so many units above the other's
#   below      the figure itself is below the limit
#   fewer      fewer exits an operation than the other
TARGETS = (
    [
        ("below", "cpu", "hypercall", "ring3-pv", None, 100, "value"),
        ("at-least", "cpu", "hypercall", "ring3-pv", "job:trapped-port", 10, "value"),
        ("at-least", "cpu", "fault", "ring3-pv", "ring3", 1.5, "value"),
        ("at-least", "cpu", "exec", "ring3-pv", "ring3", 1.5, "value"),
        ("at-least", "io", "rand-read d32", "ring3-pv", "native", 0.97, "value"),
        ("above", "io", "rand-read d1", "ring3-pv", "native", 10, "us"),
        ("fewer", "io", "rand-read d1", "ring3-pv", "ring3-virtio", None, "exits_total"),
        ("fewer", "io", "rand-read d32", "ring3-pv", "ring3-virtio", None, "exits_total"),
        ("at-least", "io", "tcp send", "ring3-pv", "ring3-virtio", 1, "value"),
        ("at-least", "io", "tcp receive", "ring3-pv", "ring3-virtio", 1, "value"),
        ("at-least", "io", "ping-pong", "ring3-pv", "ring3-virtio", 1, "value"),
        ("fewer", "io", "tcp send", "ring3-pv", "ring3-virtio", None, "exits_total"),
        ("fewer", "io", "tcp receive", "ring3-pv", "ring3-virtio", None, "exits_total"),
        ("fewer", "io", "ping-pong", "ring3-pv", "ring3-virtio", None, "exits_total"),
        ("at-least", "boot", "boot", "ring3-pv", "ring3-cloud", 2, "value"),
        # What stock kernels are to reach.
        ("at-least", "io", "rand-read d32", "ring3-virtio", "native", 0.9, "value"),
        ("at-least", "io", "rand-write d32", "ring3-virtio", "native", 0.9, "value"),
        ("at-least", "io", "rand-read d1", "ring3-virtio", "native", 0.75, "value"),
        ("at-least", "io", "rand-write d1", "ring3-virtio", "native", 0.75, "value"),
        ("at-least", "io", "rand-read d1", "ring3-virtio", "tcg-virtio", 2, "value"),
        ("at-least", "io", "rand-write d1", "ring3-virtio", "tcg-virtio", 2, "value"),
        ("at-least", "io", "cached rand-read d32", "ring3-virtio", "tcg-virtio", 4, "value"),
        ("at-least", "io", "seq-read 1M", "ring3-virtio", "native", 0.95, "value"),
        ("at-least", "io", "seq-write 1M", "ring3-virtio", "native", 0.95, "value"),
        ("at-least", "io", "rand-read d1", "ring3-ide", "tcg-ide", 1.5, "value"),
        ("at-least", "io", "rand-read d32", "ring3-ide", "tcg-ide", 1.5, "value"),
        ("at-least", "io", "tcp send", "ring3-virtio", "tcg-virtio", 5, "value"),
        ("at-least", "io", "tcp receive", "ring3-virtio", "tcg-virtio", 5, "value"),
        ("at-least", "io", "tcp send", "ring3-ide", "tcg-ide", 3, "value"),
        ("at-least", "io", "tcp receive", "ring3-ide", "tcg-ide", 3, "value"),
        ("above", "io", "ping-pong", "ring3-virtio", "native", 25, "value"),
        ("at-least", "boot", "boot", "ring3-cloud", "tcg-cloud", 3, "value"),
    ]
    + [
        ("at-least", "cpu", job, "ring3", "native", 0.95, "value")
        for job in ("integer", "sieve", "matrix", "memcpy", "chase", "indirect", "jit")
    ]
    + [
        ("at-least", "cpu", job, "ring3", "tcg", limit, "value")
        for limit, jobs in (
            (1, ("getppid", "fault", "cow")),
            (2, ("exec", "shell", "pipe")),
            (4, ("file-write", "file-read")),
        )
        for job in jobs
    ]
)


def _number(value):
    return "%.0f" % value if value >= 1000 else "%.4g" % value


def _judge(kind, mine, other, limit):
    """met, what was measured, what is missing.  mine and other: value, unit, better."""
    (a, unit, better), (b, _, _) = mine, other or (None, None, None)
    if kind == "below":
        return a < limit, "%.4g %s" % (a, unit), "%.4g %s too much" % (a - limit, unit)
    if kind == "above":
        return a - b <= limit, "%.1f us against %.1f" % (a, b), "%.1f us too much" % (a - b - limit)
    if kind == "fewer":
        return a < b, "%.2f against %.2f" % (a, b), "%.2f too many" % (a - b)
    ratio = (a / b if better == "higher" else b / a) if a and b else 0
    text = "%.2f: %s %s against %s" % (ratio, _number(a), unit, _number(b))
    return ratio >= limit, text, "%.1f %% short" % (100 * (1 - ratio / limit))


def _wording(kind, other, limit):
    if kind == "below":
        return "below %g ns" % limit
    if kind == "above":
        return "at most %g us above %s" % (limit, other)
    if kind == "fewer":
        return "fewer exits than %s" % other
    return (
        "at least %g of %s" % (limit, other)
        if limit < 1
        else "at least as good as %s" % other
        if limit == 1
        else "at least %g times %s" % (limit, other)
    )


def unmeasured(results):
    """Targets of the benchmarks that ran for which something was not measured: ["job of system"]."""
    judged = {(t["bench"], t["job"], t["system"]) for t in judge(results)}
    found = []
    for _, bench, job, system, *_ in TARGETS:
        if bench in results.benches() and (bench, job, system) not in judged:
            found.append("%s of %s" % (job, label(job, system)))
    return list(dict.fromkeys(found))


def judge(results):
    """Targets of what was measured: [{bench, job, system, against, wanted, measured, met, missing}]."""
    found = []
    for kind, bench, job, system, other, limit, key in TARGETS:
        record = results.get(bench, job, system)
        against = None
        if other:
            name = other[len("job:") :] if other.startswith("job:") else job
            against = results.get(bench, name, system if other.startswith("job:") else other)
        if not record or key not in record or (other and (not against or key not in against)):
            continue
        if other == "native" and "native" in record:  # the host beside it, not the host at its best
            against = dict(against, value=record["native"], us=record.get("native_us"))
        figure = lambda r: (r[key], r["unit"], r["better"])
        met, measured, missing = _judge(kind, figure(record), figure(against) if against else None, limit)
        found.append(
            {
                "bench": bench,
                "job": job,
                "system": system,
                "against": other or "",
                "wanted": _wording(kind, label(job, (other or "").replace("job:", "")), limit),
                "measured": measured,
                "met": met,
                "missing": "" if met else missing,
            }
        )
    return found
