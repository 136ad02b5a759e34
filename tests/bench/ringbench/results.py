# SPDX-License-Identifier: MIT
"""What was measured: one record a job and system, of several passes the best; CSV and JSON.

A record: bench, job, what (one operation, for the reader), system, unit, value, better ("higher"
or "lower"), and what else is known of it: median, iops, mbs, us (mean latency), p50, p99, p999,
cpu_us (the host's CPU time an operation), exits ({reason: per operation}), exits_total, hypercalls
({name: per operation}), packet_bytes, interrupts, host_calls, per ("operation", "packet", "boot").

Of all that was measured of a job and system the best is kept; times, low, high say what there was.  Of
disks and networks: native, native_us, what the host reached beside it, and of_native, how good it is in
units of that; of_native_all, in each pass.
"""
import csv
import json

COLUMNS = [
    "times",
    "low",
    "high",
    "native",
    "of_native",
    "median",
    "iops",
    "mbs",
    "us",
    "p50",
    "p99",
    "p999",
    "cpu_us",
    "exits_total",
    "packet_bytes",
    "interrupts",
    "host_calls",
]
COUNTED = ["cpu_us", "per", "exits", "exits_total", "hypercalls", "packet_bytes", "interrupts", "host_calls"]


def label(job, system):
    """The system's name for the reader: what is IDE for disks has an e1000 for a card."""
    return system.replace("-ide", "-e1000") if job.startswith(("tcp", "ping")) else system


class Results:
    def __init__(self, about):
        self.about = list(about)  # (name, value): the host, the guest
        self.notes = []  # what could not be measured, and why
        self.records = []

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def get(self, bench, job, system):
        for record in self.records:
            if (record["bench"], record["job"], record["system"]) == (bench, job, system):
                return record
        return None

    def add(self, record):
        """Keeps the better of two; the medians' too."""
        record.update(times=1, low=record["value"], high=record["value"])
        if "of_native" in record:
            record["of_native_all"] = [record["of_native"]]
        old = self.get(record["bench"], record["job"], record["system"])
        if not old:
            self.records.append(record)
            return
        for one, other in ((record, dict(old)), (old, dict(record))):
            one["times"] += other["times"]
            one["low"], one["high"] = min(one["low"], other["low"]), max(one["high"], other["high"])
        if "of_native" in old and "of_native" in record:
            old["of_native_all"] = record["of_native_all"] = old["of_native_all"] + record["of_native_all"]
        if "median" in old and "median" in record:
            old["median"] = record["median"] = min(old["median"], record["median"])
        # Counts of a pass in which they could not be taken come from the other one.
        for key in COUNTED:
            for one, other in ((record, old), (old, record)):
                if key in other:
                    one.setdefault(key, other[key])
        if (record["value"] > old["value"]) == (record["better"] == "higher"):
            self.records[self.records.index(old)] = record

    def jobs(self, bench):
        return list(dict.fromkeys(r["job"] for r in self.records if r["bench"] == bench))

    def systems(self, bench, job=None):
        return list(
            dict.fromkeys(
                r["system"] for r in self.records if r["bench"] == bench and job in (None, r["job"])
            )
        )

    def benches(self):
        return list(dict.fromkeys(r["bench"] for r in self.records))

    def ordered(self, order):
        """Records in the order of `order`, a list of (bench, jobs, systems)."""
        place = {}
        for bench, jobs, systems in order:
            for job in jobs:
                for system in systems:
                    place[bench, job, system] = len(place)
        self.records.sort(key=lambda r: place.get((r["bench"], r["job"], r["system"]), len(place)))

    def write_json(self, path, targets):
        with open(path, "w", encoding="utf-8") as f:
            json.dump(
                {"about": dict(self.about), "notes": self.notes, "results": self.records, "targets": targets},
                f,
                indent=1,
            )
            f.write("\n")

    def write_csv(self, path):
        reasons = list(dict.fromkeys(reason for r in self.records for reason in r.get("exits", {})))
        with open(path, "w", newline="", encoding="utf-8") as f:
            rows = csv.writer(f)
            rows.writerow(
                ["bench", "job", "system", "unit", "value"]
                + COLUMNS
                + ["per"]
                + ["exits_" + reason for reason in reasons]
            )
            for r in self.records:
                rows.writerow(
                    [r["bench"], r["job"], r["system"], r["unit"], _figure(r["value"])]
                    + [_figure(r.get(c, "")) for c in COLUMNS]
                    + [r.get("per", "")]
                    + [_figure(r.get("exits", {}).get(reason, "")) for reason in reasons]
                )


def _figure(value):
    return "%.6g" % value if isinstance(value, float) else value
