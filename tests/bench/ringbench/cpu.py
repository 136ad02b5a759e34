# SPDX-License-Identifier: MIT
"""ring3 bench cpu: what user code and the kernel's services cost.

The same static program (bench*.c) natively, on ring3 with and without its ABI, and on QEMU TCG, with
the same kernel; each figure is the best of several runs of about a tenth of a second.  The guests
have one CPU, so native runs are bound to one.  Then each benchmark runs once more between two
readings of the counters: exits per operation.

Two more figures come from a test kernel (tests/guest/abi/cost.c): the round trip of a hypercall
that does nothing, and of an access to a port.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

from . import counters, guest, host

NAME = "cpu"
# system: kind of machine, --pv
SYSTEMS = {
    "native": None,
    "ring3": ("ring3", "none"),
    "ring3-pv": ("ring3", "ring3"),
    "tcg": ("tcg", "none"),
    "ring3-one-cpu": ("ring3", "none"),
}
DEFAULT = ["native", "ring3", "ring3-pv", "tcg", "ring3-one-cpu"]
TEXT = {
    "native": "the host itself",
    "ring3": "ring3, nothing paravirtual",
    "ring3-pv": "ring3, PV kernel, --pv ring3",
    "tcg": "QEMU TCG",
    "ring3-one-cpu": "ring3 with no spare host CPU",
}
COST = {
    "hypercall": "a hypercall that does nothing, and back",
    "port access": "an access to a port by the kernel, and back (translated: nothing traps)",
}
BODY = """
echo "@@begin"
/bench $(sed -n 's/.*bench.words=\\([^ ]*\\).*/\\1/p' /proc/cmdline | tr , ' ')
echo "@@done"
sleep 1
poweroff -f
"""
SCALE = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}


class Bench:
    def __init__(self, args, results):
        self.args, self.results, self.out = args, results, args.out
        self.passes = args.passes or 2
        self.systems = args.systems(self, SYSTEMS, DEFAULT)
        self.program = host.program("bench")
        self.list = [
            line.split("\t", 1) for line in host.run([self.program, "--list"]).split("\n") if "\t" in line
        ]
        self.what = dict(self.list)
        self.names = [name for name, _ in self.list if re.search(args.jobs, name)]
        self.cost = [name for name in COST if re.search(args.jobs, name)]
        self.jobs = self.names + self.cost
        self.clocks = []

    def prepare(self):
        self.kernel = guest.find_kernel(self.args.kernel, "cloud")
        self.results.about.append(("guest, cpu", "%s, 1 vCPU, 512 MiB" % self.kernel.name))
        if not self.kernel.pv and "ring3-pv" in self.systems:
            self.results.note("no PV column of the CPU table: the PV kernel is not built (make pv-guest)")
        if not self.kernel.pv:
            self.systems = [s for s in self.systems if s != "ring3-pv"]
        if not self.names or "getppid" not in self.names:
            self.systems = [s for s in self.systems if s != "ring3-one-cpu"]
        self.initrd = guest.initramfs(
            os.path.join(self.out, "initramfs-cpu.cpio"), BODY, [self.program + ":bench"]
        )
        self.kernel_of_cost = None
        if self.cost:
            try:
                self.kernel_of_cost = guest.Kernel("cost", host.program("cost.elf"), True, None)
            except host.Unavailable as why:
                self.results.note("no cost of a hypercall: %s" % why)

    def steps(self):
        systems = len([s for s in self.systems if s != "ring3-one-cpu"])
        return self.passes * (
            systems * len(self.names) + ("ring3-one-cpu" in self.systems) + bool(self.kernel_of_cost)
        )

    def measure(self, progress):
        for number in range(self.passes):
            if self.kernel_of_cost:
                self.hypercall(progress)
            for system in (self.systems if number % 2 == 0 else self.systems[::-1]) if self.names else []:
                names = ["getppid"] if system == "ring3-one-cpu" else self.names
                try:
                    if system == "native":
                        self.native(progress, names)
                    else:
                        self.inside(progress, system, names)
                except guest.Failure as failure:
                    progress.end("failed")
                    self.results.note("%s: %s" % (system, failure))

    def add(self, system, name, best, median, unit):
        self.results.add(
            {
                "bench": NAME,
                "job": name,
                "what": self.what.get(name) or COST[name],
                "system": system,
                "unit": unit,
                "value": best,
                "median": median,
                "better": "lower",
            }
        )

    def take(self, progress, system, line):
        """One line of the program's.  The benchmark it is about, if it is a result."""
        words = line.split()
        if words[:1] == ["failed"]:
            progress.begin(system, words[1])
            progress.end("failed")
            self.results.note("%s: %s failed, status %s" % (system, words[1], words[2]))
        if words[:1] == ["skipped"]:
            progress.skip(1)
        if words[:1] != ["result"]:
            return
        name, best, median, unit = words[1], float(words[2]), float(words[3]), words[4]
        self.add(system, name, best, median, unit)
        progress.begin(system, name)
        progress.end("%.3f %s" % (best, unit))

    def native(self, progress, names):
        cpu = max(os.sched_getaffinity(0))
        with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
            busybox = shutil.which("busybox")
            shutil.copy(busybox, scratch)
            environment = dict(
                os.environ, BENCH_TMPFS=scratch, BENCH_BUSYBOX=os.path.join(scratch, "busybox")
            )
            process = subprocess.Popen(
                ["taskset", "-c", str(cpu), self.program, "--repeat", str(self.args.repeat)] + names,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            try:
                for line in process.stdout:
                    self.take(progress, "native", line)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def inside(self, progress, system, names):
        kind, pv = SYSTEMS[system]
        count = ["--count"] if kind == "ring3" and system != "ring3-one-cpu" else []
        words = ",".join(["--repeat", str(self.args.repeat)] + count + names)
        alone = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if system == "ring3-one-cpu" else []
        machine = guest.Guest(
            os.path.join(self.out, "cpu-%s.console" % system),
            kind,
            self.kernel,
            self.initrd,
            pv,
            (),
            "bench.words=" + words,
            prefix=alone,
        )
        try:
            machine.expect("@@begin", 60)
            begin, before, operations = time.monotonic(), None, 0
            while True:
                line = (
                    machine.expect(r"(?m)^((result|failed|skipped|total|@count|@counted|@@done).*)\r?\n", 60)
                    .group(1)
                    .decode()
                )
                words = line.split()
                if words[0] == "@count":
                    before, operations = machine.counters(), int(words[2])
                elif words[0] == "@counted" and before:
                    delta = counters.difference(before, machine.counters() or before)
                    self.results.get(NAME, words[1], system).update(
                        counters.per(delta, operations), per="operation"
                    )
                elif words[0] == "total":
                    self.clocks.append(
                        "%s: %.2f s by its own clock, %.2f s by the host's"
                        % (system, float(words[1]), time.monotonic() - begin)
                    )
                elif words[0] == "@@done":
                    break
                else:
                    self.take(progress, system, line)
        finally:
            machine.end()

    def hypercall(self, progress):
        progress.begin("ring3-pv", "hypercall, port access")
        machine = guest.Guest(
            os.path.join(self.out, "cost.console"), "ring3", self.kernel_of_cost, None, "ring3"
        )
        try:
            ticks = machine.expect(r"a hypercall: (\d+) ticks; IN from port 0x80: (\d+) ticks", 60)
            khz = float(host.run([self.program, "--tsc"]))
            for name, value in zip(COST, ticks.groups()):
                self.add("ring3-pv", name, float(value) * 1e6 / khz, float(value) * 1e6 / khz, "ns")
            progress.end("%s ticks, %s ticks" % tuple(t.decode() for t in ticks.groups()))
        except guest.Failure as failure:
            progress.end("failed")
            self.results.note("hypercall: %s" % failure)
        finally:
            machine.end()

    def end(self):
        guest.remove(os.path.join(self.out, "initramfs-cpu.cpio"))
        for line in self.clocks:
            self.results.about.append(("clock", line))
