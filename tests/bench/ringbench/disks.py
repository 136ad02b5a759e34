# SPDX-License-Identifier: MIT
"""ring3 bench io: disks and networks.

The same file, the same fio with the same engine, the same guest kernel with one virtual CPU and no
disk scheduler of its own; networks over a tap (natively: between two network namespaces).  Each
machine is booted for a few jobs (ROUNDS), in which the systems take turns; nothing else runs.

Disks of cloud machines have budgets, so what comes first is measured on a better disk.  In rounds
that reach the disk the host's own figure is therefore taken again between any two systems; what a
system is held against is the mean of the two beside it, a moment before and after ("native" of a
record, of_native).  Every second pass goes the other way round; --rest is before each turn.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

from . import guest, host, places

NAME = "io"
# system: kind of machine, disk, card, --pv
SYSTEMS = {
    "native": None,
    "ring3-ide": ("ring3", "ide", "e1000", "none"),
    "ring3-virtio": ("ring3", "virtio", "virtio", "none"),
    "ring3-pv": ("ring3", "pv", "pv", "ring3"),
    "tcg-ide": ("tcg", "ide", "e1000", "none"),
    "tcg-virtio": ("tcg", "virtio", "virtio", "none"),
    # Only by --only: what of the gain is the kernel's.
    "ring3-virtio-abi": ("ring3", "virtio", "virtio", "ring3"),
}
DEFAULT = ["native", "ring3-ide", "ring3-virtio", "ring3-pv", "tcg-ide", "tcg-virtio"]
TEXT = {
    "native": "the host itself",
    "ring3-ide": "ring3, full virtualization: IDE, e1000",
    "ring3-virtio": "ring3, virtio",
    "ring3-pv": "ring3, paravirtual: pvblk, pvnet by hypercall",
    "tcg-ide": "QEMU TCG: IDE, e1000",
    "tcg-virtio": "QEMU TCG: virtio",
    "ring3-virtio-abi": "ring3, virtio, the kernel otherwise paravirtual",
}

# name: fio arguments, the host's cache mode, what is compared
DISK_JOBS = {
    "rand-read d1": ("--rw=randread --bs=4k --iodepth=1", "none", "iops"),
    "rand-read d32": ("--rw=randread --bs=4k --iodepth=32", "none", "iops"),
    "rand-write d1": ("--rw=randwrite --bs=4k --iodepth=1", "none", "iops"),
    "rand-write d32": ("--rw=randwrite --bs=4k --iodepth=32", "none", "iops"),
    "seq-read 1M": ("--rw=read --bs=1M --iodepth=4", "none", "mbs"),
    "seq-write 1M": ("--rw=write --bs=1M --iodepth=4", "none", "mbs"),
    "cached rand-read d1": ("--rw=randread --bs=4k --iodepth=1", "writeback", "iops"),
    "cached rand-read d32": ("--rw=randread --bs=4k --iodepth=32", "writeback", "iops"),
    "cached rand-write d32": ("--rw=randwrite --bs=4k --iodepth=32", "writeback", "iops"),
}
NET_JOBS = {"tcp send": ("send", "mbs"), "tcp receive": ("receive", "mbs"), "ping-pong": ("pingpong", "us")}
JOBS = list(DISK_JOBS) + list(NET_JOBS)
# Jobs that one boot serves, and whether the host is measured again beside each system.
ROUNDS = [([job], True) for job in DISK_JOBS if DISK_JOBS[job][1] == "none"] + [
    (["cached rand-read d1", "cached rand-read d32"], False),
    (["cached rand-write d32"], False),
    (list(NET_JOBS), False),
]
UNITS = {"iops": "IOPS", "mbs": "MB/s", "us": "us"}

BODY = """
for module in /modules/*.ko; do [ -e $module ] && insmod $module; done
sectors=$(sed -n 's/.*bench.sectors=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
for i in 1 2 3 4 5 6 7 8 9 10; do
	[ -e /disk ] || [ $sectors = 0 ] || for size in /sys/block/*/size; do
		[ "$(cat $size)" = "$sectors" ] || continue
		name=${size%/size} name=${name##*/}
		echo none >/sys/block/$name/queue/scheduler
		ln -s /dev/$name /disk
	done
	[ -e /disk ] || [ $sectors = 0 ] || sleep 0.3
done
for net in /sys/class/net/*; do
	[ -e $net/device ] && ip link set ${net##*/} up && ip addr add 10.99.0.2/24 dev ${net##*/} &&
		ping -c 1 -w 3 10.99.0.1 >/dev/null 2>&1
done
exec env PS1=guest: setsid cttyhack sh
"""
MARK = "#!/bin/sh\n# SPDX-License-Identifier: MIT\necho @@run >/dev/console\n"


def beside_native(taken):
    """Adds to records of one job what the host reached beside them: native, native_us, of_native."""
    for i, (system, record) in enumerate(taken):
        before = [r for s, r in taken[:i] if s == "native"][-1:]
        after = [r for s, r in taken[i + 1 :] if s == "native"][:1]
        beside = before + after
        if system == "native" or not beside:
            continue
        native = sum(r["value"] for r in beside) / len(beside)
        better = record["better"] == "higher"
        record["native"] = native
        record["of_native"] = record["value"] / native if better else native / record["value"]
        if "us" in record and all("us" in r for r in beside):
            record["native_us"] = sum(r["us"] for r in beside) / len(beside)


class Bench:
    def __init__(self, args, results):
        self.args, self.results = args, results
        self.seconds, self.null = args.seconds, args.null
        self.out = args.out
        self.passes = args.passes or 1
        self.size = args.size << 20
        self.net = self.server = self.made = self.image = None
        self.jobs = [j for j in JOBS if re.search(args.jobs, j)]
        self.systems = args.systems(self, SYSTEMS, DEFAULT)

    def prepare(self):
        args = self.args
        fio = shutil.which("fio")
        if not fio and any(j in DISK_JOBS for j in self.jobs):
            self.results.note("no disk rows: fio is not installed")
            self.jobs = [j for j in self.jobs if j in NET_JOBS]
        if self.null:
            self.image, self.systems = None, [s for s in self.systems if s != "native"]
        elif fio:
            self.image = self.file(args)
        self.engine = self.find_engine(fio) if fio else None
        self.kernel = guest.find_kernel(args.kernel, "generic")
        self.results.about.append(("guest, io", "%s, 1 vCPU, 1 GiB" % self.kernel.name))
        if not self.kernel.pv and any(SYSTEMS[s] and SYSTEMS[s][3] == "ring3" for s in self.systems):
            self.results.note("no PV rows of disks and networks: the PV kernel is not built (make pv-guest)")
            self.systems = [s for s in self.systems if not SYSTEMS[s] or SYSTEMS[s][3] != "ring3"]
        with tempfile.TemporaryDirectory() as scratch:
            mark = os.path.join(scratch, "mark")
            with open(mark, "w", encoding="ascii") as f:
                f.write(MARK)
            os.chmod(mark, 0o755)
            files = [mark + ":mark", host.program("net") + ":net"] + (
                [f.replace(":" + fio.lstrip("/"), ":bin/fio") for f in host.closure(fio)] if fio else []
            )
            self.initrd = guest.initramfs(
                os.path.join(self.out, "initramfs-io.cpio"), BODY, files, self.kernel
            )
        if any(j in NET_JOBS for j in self.jobs) and not self.null:
            self.net = host.own_network()
        if not self.net:
            if any(j in NET_JOBS for j in self.jobs):
                self.results.note(
                    "no network rows: "
                    + (
                        "the back-end is null"
                        if self.null
                        else "no network namespace with a tap is to be had here"
                    )
                )
            self.jobs = [j for j in self.jobs if j in DISK_JOBS]

    def file(self, args):
        """The file under test: the user's, or one of random bytes that is made and removed."""
        if args.disk:
            if not os.path.exists(args.disk):
                raise host.Unavailable("there is no file %s to measure with" % args.disk)
            with open(args.disk, "rb") as f:
                self.size = f.seek(0, os.SEEK_END) & -4096
            if not args.overwrite:
                self.jobs = [j for j in self.jobs if "write" not in j]
                self.results.note("%s is only read: --overwrite allows the jobs that write to it" % args.disk)
            return os.path.abspath(args.disk)
        path = os.path.join(self.out, "disk.img")
        self.made = path
        host.say("writing a file of %d MiB" % args.size)
        host.run(
            [
                "dd",
                "if=/dev/urandom",
                "of=" + path,
                "bs=1M",
                "count=%d" % args.size,
                "conv=fsync",
                "status=none",
            ]
        )
        return path

    def find_engine(self, fio):
        """io_uring for native and guests alike; libaio where the host refuses it."""
        with tempfile.NamedTemporaryFile(dir=self.out) as f:
            os.truncate(f.name, 1 << 16)
            done = subprocess.run(
                [fio, "--name=t", "--filename=" + f.name, "--size=64k", "--rw=read", "--ioengine=io_uring"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        if done.returncode:
            self.results.note("fio uses libaio: this host refuses it io_uring")
        return "libaio" if done.returncode else "io_uring"

    def rounds(self):
        """[(jobs, the systems in their order)] of one pass."""
        found = []
        for jobs, beside in ROUNDS:
            jobs = [j for j in jobs if j in self.jobs]
            if jobs:
                found.append((jobs, self.turns(beside)))
        return found

    def turns(self, beside):
        if not beside or "native" not in self.systems:
            return list(self.systems)
        # QEMU's figures are held against ring3's: the host before them will do.
        turns = ["native"]
        for system in self.systems:
            if system.startswith("ring3"):
                turns += [system, "native"]
        return turns + [s for s in self.systems if s.startswith("tcg")]

    def steps(self):
        return self.passes * sum(len(jobs) * len(turns) for jobs, turns in self.rounds())

    def measure(self, progress):
        if self.net:
            self.server = subprocess.Popen(
                [host.program("net"), "serve", str(places.PORT)], preexec_fn=host.bound()
            )
        for number in range(self.passes):
            for jobs, turns in self.rounds():
                self.round(progress, jobs, turns if number % 2 == 0 else turns[::-1])

    def round(self, progress, jobs, turns):
        measured = []  # in their order: (system, {job: record})
        try:
            for system in turns:
                found = {}
                measured.append((system, found))
                if any("write" in job or (job in DISK_JOBS and "cached" not in job) for job in jobs):
                    time.sleep(self.args.rest)
                self.turn(progress, system, jobs, found)
        finally:
            for job in jobs:
                taken = [(system, found[job]) for system, found in measured if job in found]
                beside_native(taken)
                for _, record in taken:
                    self.results.add(record)

    def turn(self, progress, system, jobs, found):
        """One system's part of a round, into found."""
        cache = DISK_JOBS[jobs[0]][1] if jobs[0] in DISK_JOBS else None
        if cache == "writeback" and self.image:
            self.warm()
        left = len(jobs)
        where = None
        try:
            for job in jobs:
                progress.begin(system, job)
                left -= 1
                if not where and system == "native":
                    where = places.Native(self, cache is None)
                elif not where:
                    where = places.Inside(self, system, SYSTEMS[system], cache, cache is None)
                found[job] = self.job(progress, where, system, job)
        except guest.Failure as failure:
            progress.end("failed")
            progress.skip(left)
            self.results.note("%s, %s: %s" % (system, job, failure))
        finally:
            if where:
                where.end()
        # What was written must be the disk's own affair before the next one is measured.
        if "write" in jobs[0] and self.image:
            os.sync()
            time.sleep(min(2, self.args.rest))

    def job(self, progress, where, system, job):
        if job in DISK_JOBS:
            arguments, cache, key = DISK_JOBS[job]
            found = where.disk(arguments, cache)
        else:
            kind, key = NET_JOBS[job]
            found = where.network(kind)
        progress.end(
            "%.1f %s%s%s"
            % (
                found[key],
                UNITS[key],
                "" if "cpu_us" not in found else ", %.1f us CPU" % found["cpu_us"],
                "" if "exits_total" not in found else ", %.1f exits" % found["exits_total"],
            )
        )
        return dict(
            found,
            bench=NAME,
            job=job,
            what=self.what(job),
            system=system,
            unit=UNITS[key],
            value=found[key],
            better="lower" if key == "us" else "higher",
        )

    def what(self, job):
        if job in DISK_JOBS:
            mode = "" if DISK_JOBS[job][1] == "none" else ", by the host's cache"
            size = "4 KiB" if "rand" in job else "1 MiB"
            return "%s%s, %s in flight" % (
                size,
                mode,
                re.search("iodepth=([0-9]+)", DISK_JOBS[job][0]).group(1),
            )
        return {
            "tcp send": "one TCP stream, guest to host",
            "tcp receive": "one TCP stream, host to guest",
            "ping-pong": "round trip of one byte by TCP",
        }[job]

    def warm(self):
        """The file into the host's page cache, from which direct writes have removed it."""
        with open(self.image, "rb", buffering=0) as f:
            while f.read(1 << 20):
                pass

    def end(self):
        if self.server:
            self.server.kill()
            self.server.wait()
        guest.remove(os.path.join(self.out, "initramfs-io.cpio"))
        if self.made:
            guest.remove(self.made)
