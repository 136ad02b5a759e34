# SPDX-License-Identifier: MIT
"""ring3 bench boot: from the start of the command to the first line of process 1.

The stock cloud kernel and the paravirtual one, with the same small initramfs and command line, on
ring3 and on QEMU TCG, in turn; the best of --boots times.  The counters at that moment are the
exits of a boot.
"""
import os
import re
import time

from . import counters, guest, host

NAME = "boot"
# system: kind of machine, which kernel, --pv
SYSTEMS = {
    "ring3-cloud": ("ring3", "cloud", "none"),
    "ring3-none": ("ring3", "pv", "none"),
    "ring3-pv": ("ring3", "pv", "ring3"),
    "tcg-cloud": ("tcg", "cloud", "none"),
    "tcg-pv": ("tcg", "pv", "none"),
}
DEFAULT = list(SYSTEMS)
TEXT = {
    "ring3-cloud": "ring3, Debian's cloud kernel",
    "ring3-none": "ring3, PV kernel, --pv none",
    "ring3-pv": "ring3, PV kernel, --pv ring3",
    "tcg-cloud": "QEMU TCG, Debian's cloud kernel",
    "tcg-pv": "QEMU TCG, PV kernel",
}
BODY = "sleep 5\npoweroff -f\n"
JOB = "boot"


class Bench:
    def __init__(self, args, results):
        self.args, self.results, self.out = args, results, args.out
        self.systems = args.systems(self, SYSTEMS, DEFAULT)
        self.jobs = [JOB] if re.search(args.jobs, JOB) else []

    def prepare(self):
        self.kernels = {"cloud": None, "pv": guest.pv_kernel()}
        if any(SYSTEMS[s][1] == "cloud" for s in self.systems):
            try:
                self.kernels["cloud"] = guest.stock_kernel("cloud")
            except host.Unavailable as why:
                self.results.note("no boots of the cloud kernel: %s" % why)
                self.systems = [s for s in self.systems if SYSTEMS[s][1] != "cloud"]
        if self.args.kernel and self.args.kernel not in guest.STOCK:
            self.kernels["pv"] = guest.find_kernel(self.args.kernel, "cloud")
        if not self.kernels["pv"]:
            if any(SYSTEMS[s][1] == "pv" for s in self.systems):
                self.results.note("no boots of the PV kernel: it is not built (make pv-guest)")
            self.systems = [s for s in self.systems if SYSTEMS[s][1] != "pv"]
        self.initrd = guest.initramfs(os.path.join(self.out, "initramfs-boot.cpio"), BODY)

    def steps(self):
        return self.args.boots * len(self.systems) * len(self.jobs)

    def measure(self, progress):
        for number in range(self.args.boots if self.jobs else 0):
            for system in self.systems if number % 2 == 0 else reversed(self.systems):
                self.boot(progress, system)

    def boot(self, progress, system):
        kind, kernel, pv = SYSTEMS[system]
        progress.begin(system, JOB)
        machine = guest.Guest(
            os.path.join(self.out, "boot-%s.console" % system), kind, self.kernels[kernel], self.initrd, pv
        )
        try:
            machine.expect("@@init", 120)
            ms = (time.monotonic() - machine.started) * 1e3
            cpu = host.cpu_seconds(machine.machine.process.pid)
            record = {
                "bench": NAME,
                "job": JOB,
                "what": "start to the first line of init",
                "system": system,
                "unit": "ms",
                "value": ms,
                "median": ms,
                "better": "lower",
                "cpu_us": cpu * 1e6,
            }
            delta = machine.counters()
            if delta:
                record.update(counters.per(delta, 1), per="boot")
            self.results.add(record)
            progress.end("%.0f ms" % ms)
        except guest.Failure as failure:
            progress.end("failed")
            self.results.note("%s: %s" % (system, failure))
        finally:
            machine.machine.end()
            guest.remove(machine.stats)

    def end(self):
        guest.remove(os.path.join(self.out, "initramfs-boot.cpio"))
