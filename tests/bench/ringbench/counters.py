# SPDX-License-Identifier: MIT
"""Exits by reason, from two readings of the counters of `ring3 run --stats=FILE`.

An exit is the way from guest code to the engine.  Those of kernel code that are sensitive
instructions are told apart by what they did: a call, a port, a device's memory, a halt, ...; what
is left over is "other instruction".
"""
import collections
import json

# Reason -> how it shows in tables, in their order.
REASONS = collections.OrderedDict(
    [
        ("hypercall", "hypercall"),
        ("mmio", "device memory"),
        ("pio", "port access"),
        ("halt", "halt"),
        ("return", "IRET, SYSRET"),
        ("msr", "MSR"),
        ("control", "control register"),
        ("access", "user memory"),
        ("instruction", "other instruction"),
        ("fault", "host fault, kernel code"),
        ("lookup", "code not translated yet"),
        ("kick", "interrupted"),
        ("syscall", "system call"),
        ("user_fault", "fault, user code"),
        ("trap", "planted trap"),
        ("user_kick", "interrupted, user code"),
    ]
)


def read(path):
    """The file's counters as {name: value}, and the snapshot's number."""
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    return {c["name"]: c["value"] for c in data["counters"]}, data["snapshot"]


def difference(before, after):
    return {name: value - before.get(name, 0) for name, value in after.items()}


def calls(delta):
    """Hypercalls by name."""
    return {name[len("hypercall_") :]: n for name, n in delta.items() if name.startswith("hypercall_") and n}


def exits(delta):
    """{reason: count}, reasons that did not occur left out."""
    get = lambda name: delta.get(name, 0)
    hypercalls = sum(calls(delta).values())
    told_apart = hypercalls + sum(get(name) for name in ("pio", "returns", "msr", "control", "hlt"))
    # Loads and stores that go by a call of their own count apart: of user memory, or a device's.
    accesses = get("user_accesses") - get("mmio")
    # Found out by a host fault, by what was counted already.
    twice = max(-accesses, 0) + max(told_apart - get("exit_callout"), 0)
    found = {
        "hypercall": hypercalls,
        "mmio": get("mmio"),
        "pio": get("pio"),
        "halt": get("hlt"),
        "return": get("returns"),
        "msr": get("msr"),
        "control": get("control"),
        "access": max(accesses, 0),
        "instruction": max(get("exit_callout") - told_apart, 0),
        "fault": max(get("exit_fault") - twice, 0),
        "lookup": get("exit_lookup"),
        "kick": get("exit_kick"),
        "syscall": get("user_exit_syscall") + get("user_exit_int"),
        "user_fault": get("user_exit_fault"),
        "trap": get("user_exit_trap"),
        "user_kick": get("user_exit_interrupted"),
    }
    return {reason: found[reason] for reason in REASONS if found[reason]}


def per(delta, operations):
    """What one operation took: exits by reason and in all, hypercalls, interrupts, calls of the host."""
    if not delta or operations <= 0:
        return {}
    by_reason = {reason: n / operations for reason, n in exits(delta).items()}
    return {
        "exits": by_reason,
        "exits_total": sum(by_reason.values()),
        "hypercalls": {name: n / operations for name, n in calls(delta).items()},
        "interrupts": delta.get("interrupts", 0) / operations,
        "host_calls": (delta.get("io_calls", 0) + delta.get("host_maps", 0)) / operations,
    }
