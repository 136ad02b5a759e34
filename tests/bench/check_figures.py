# SPDX-License-Identifier: MIT
"""Checks of what `ring3 bench` makes of figures: targets, explanations, the table, exits counted, the
host beside each system.  No machine is started.  Each yields (name, what is wrong; empty: nothing)."""
import io
import re

from ringbench import counters, disks, explain, results as kept, table, targets


def judged():
    """Targets and explanations say what the figures say."""

    def record(job, system, value, better="lower", **more):
        return dict(
            {
                "bench": "cpu",
                "job": job,
                "what": job,
                "system": system,
                "unit": "ns",
                "value": value,
                "better": better,
            },
            **more
        )

    found = kept.Results([])
    found.add(record("hypercall", "ring3-pv", 120.0))
    found.add(record("trapped-port", "ring3-pv", 1300.0))
    found.add(record("fault", "ring3", 6.0, exits={"fault": 3.0, "return": 1.0}, exits_total=4.0))
    found.add(
        record(
            "fault",
            "ring3-pv",
            5.0,
            exits={"hypercall": 1.0},
            exits_total=1.0,
            hypercalls={"mmu_update": 1.0},
        )
    )
    found.add(record("fault", "ring3-pv", 3.0))  # the better one of two passes
    found.add(record("fault", "ring3-pv", 4.0))
    judged = {(t["job"], t["wanted"]): t for t in targets.judge(found)}
    wrong = []
    for key, met in (
        (("hypercall", "below 100 ns"), False),
        (("hypercall", "at least 10 times trapped-port"), True),
        (("fault", "at least 1.5 times ring3"), True),
    ):
        if key not in judged or judged[key]["met"] != met:
            wrong.append("%s is not %s" % (key, "met" if met else "missed"))
    if not wrong and judged["hypercall", "below 100 ns"]["missing"] != "20 ns too much":
        wrong.append("missing is " + judged["hypercall", "below 100 ns"]["missing"])
    yield ("targets", "; ".join(wrong))
    text = dict(explain.all_of(found, "cpu"))["fault"][0]
    wanted = (
        "2.00 times as fast",
        "1.00 against 4.00",
        "fewer host fault, kernel code (3.00 to 0.00)",
        "more hypercall (0.00 to 1.00)",
        "Hypercalls: mmu_update 1.00",
    )
    lacking = [w for w in wanted if w not in text]
    yield ("explanations", '"%s" lacks %s' % (text, lacking) if lacking else "")
    out = io.StringIO()
    table.write(found, targets.judge(found), out)
    yield ("table", "" if re.search(r"MISSED +cpu +hypercall", out.getvalue()) else "no MISSED line")
    found.records = [r for r in found.records if r["system"] != "ring3"]
    found.add(record("fault", "ring3", 4.0, exits={"return": 2.0}, exits_total=2.0))
    out = io.StringIO()
    table.write(found, targets.judge(found), out, explanations=False)
    why = " ".join(out.getvalue().partition("why those are missed")[2].split())
    yield ("missed", "" if "1.00 against 2.00" in why else "no reason why: " + why)


def counted():
    """Every exit is counted once, whatever it was for."""
    wrong = []
    for values, wanted in (
        # A HLT, a call, two device accesses of six by a call of their own; two that nothing is known of.
        (
            dict(exit_callout=7, user_accesses=6, mmio=2, returns=3, hlt=1, hypercall_halt=1, exit_fault=3),
            dict(hypercall=1, mmio=2, halt=1, access=4, instruction=2, fault=3) | {"return": 3},
        ),
        # A device's memory and a port that were found out by host faults.
        (
            dict(exit_callout=1, user_accesses=1, mmio=2, pio=2, exit_fault=3),
            dict(mmio=2, pio=2, fault=1),
        ),
    ):
        found = counters.exits(values)
        total = sum(values.get(name, 0) for name in ("exit_callout", "exit_fault", "user_accesses"))
        if found != wanted or sum(found.values()) != total:
            wrong.append("%s" % found)
    yield ("counted", "; ".join(wrong))


def beside():
    """A system is held against the host as it was beside it, not at its best."""
    found = kept.Results([])
    for turns in (
        [("native", 90.0), ("ring3-pv", 97.0), ("native", 110.0), ("tcg-ide", 11.0)],
        [("tcg-ide", 6.0), ("native", 60.0), ("ring3-pv", 50.0), ("native", 40.0)],
    ):
        taken = [
            (
                s,
                {
                    "bench": "io",
                    "job": "rand-read d32",
                    "what": "",
                    "system": s,
                    "unit": "IOPS",
                    "us": 1e3 / v,
                },
            )
            for s, v in turns
        ]
        for (_, record), (_, value) in zip(taken, turns):
            record.update(value=value, better="higher")
        disks.beside_native(taken)
        for _, record in taken:
            found.add(record)
    pv, host = found.get("io", "rand-read d32", "ring3-pv"), found.get("io", "rand-read d32", "native")
    wrong = []
    if pv["native"] != 100 or pv["of_native"] != 0.97 or pv["of_native_all"] != [0.97, 1.0]:
        wrong.append("ring3-pv: %s" % pv)
    if found.get("io", "rand-read d32", "tcg-ide")["of_native"] != 0.1:
        wrong.append("tcg-ide is not held against the host before it")
    if (host["times"], host["low"], host["high"]) != (4, 40, 110) or "of_native" in host:
        wrong.append("native: %s" % host)
    if "rand-read d32 40 to 110 IOPS" not in "".join(table.steadiness(found)):
        wrong.append("no word of how the host's own figure moved")
    judged = [t for t in targets.judge(found) if t["system"] == "ring3-pv"]
    if [t["met"] for t in judged] != [True]:
        wrong.append("judged: %s" % judged)
    yield ("beside", "; ".join(wrong))
