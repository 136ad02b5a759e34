# SPDX-License-Identifier: MIT
"""ring3 bench io: disks and networks.

The same file, the same fio with the same engine, the same guest kernel with one virtual CPU and no
disk scheduler of its own; networks over a tap (natively: between two network namespaces).  The
systems are measured in turn, --passes times over, there and back, with a rest before each: disks of
cloud machines have budgets that who comes first spends.

fio says when it begins (exec_prerun), the network program too.  CPU time and counters are sampled
between 15 % and 85 % of the run, so that neither the start nor the end counts; operations in
between are those the back-ends counted, or the rate times the time where nobody counts.
"""
import os
import re
import shutil
import subprocess
import tempfile
import time

from . import counters, guest, host

NAME = "io"
PORT = 7700
# system: kind of machine, disk, card, --pv
SYSTEMS = {
    "native": None,
    "ring3-ide": ("ring3", "ide", "e1000", "none"),
    "ring3-virtio": ("ring3", "virtio", "virtio", "none"),
    "ring3-pv": ("ring3", "pv", "pv", "ring3"),
    "tcg-ide": ("tcg", "ide", "e1000", "none"),
    "tcg-virtio": ("tcg", "virtio", "virtio", "none"),
    "ring3-virtio-abi": (
        "ring3",
        "virtio",
        "virtio",
        "ring3",
    ),  # only by --only: the kernel's part of the gain
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
UNITS = {"iops": "IOPS", "mbs": "MB/s", "us": "us"}

BODY = """
for module in /modules/*.ko; do [ -e $module ] && insmod $module; done
sectors=$(sed -n 's/.*bench.sectors=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
for i in 1 2 3 4 5 6 7 8 9 10; do
	[ -e /disk ] || for size in /sys/block/*/size; do
		[ "$(cat $size)" = "$sectors" ] || continue
		name=${size%/size} name=${name##*/}
		echo none >/sys/block/$name/queue/scheduler
		ln -s /dev/$name /disk
	done
	[ -e /disk ] || sleep 0.3
done
for net in /sys/class/net/*; do
	[ -e $net/device ] && ip link set ${net##*/} up && ip addr add 10.99.0.2/24 dev ${net##*/}
done
ping -c 1 -w 3 10.99.0.1 >/dev/null 2>&1
exec env PS1=guest: setsid cttyhack sh
"""
MARK = "#!/bin/sh\n# SPDX-License-Identifier: MIT\necho @@run >/dev/console\n"


def fio_words(arguments, target, seconds, direct, engine):
    return (
        "fio --name=j --filename=%s --size=100%% --direct=%d --ioengine=%s --norandommap=1 --randrepeat=0 "
        "--thread=1 --time_based=1 --runtime=%dms --output-format=terse --terse-version=3 --gtod_reduce=0 %s"
        % (target, direct, engine, seconds * 1000, arguments)
    )


def block_of(arguments):
    """Bytes of one operation."""
    return 1 << 20 if "--bs=1M" in arguments else 4096


def fio_result(text):
    line = [l for l in text.split("\n") if l.startswith("3;fio")]
    if not line:
        raise guest.Failure("fio said: " + text[-300:])
    f = line[0].split(";")
    base = 5 if float(f[7]) else 46  # the reads' fields, or the writes'
    found = {"mbs": float(f[base + 1]) * 1024 / 1e6, "iops": float(f[base + 2]), "us": float(f[base + 34])}
    for field in f[base + 12 : base + 32]:
        percent, _, value = field.partition("%=")
        key = {"50.000000": "p50", "99.000000": "p99", "99.900000": "p999"}.get(percent)
        if key:
            found[key] = float(value)
    return found


def net_result(text, kind):
    words = text.replace("@@run", "").split()
    if kind == "pingpong":
        mean, median, p99 = (float(w) for w in words[-3:])
        return {"us": mean, "iops": 1e6 / mean, "p50": median, "p99": p99}
    return {"mbs": float(words[-1])}


def accounted(found, first, last, what):
    """Adds what an operation cost: what = bytes of a disk's operation, "stream" or "pingpong"."""
    seconds, cpu, delta = first.until(last)
    rate = found["iops"] if what != "stream" else found["mbs"]  # CPU of a stream: per MB
    if cpu and rate:
        found["cpu_us"] = cpu * 1e6 / (rate * seconds)
    if not delta:
        return found
    if what in ("stream", "pingpong"):
        packets = delta["frames_sent"] + delta["frames_received"]
        found.update(counters.per(delta, packets), per="packet")
        if packets:
            found["packet_bytes"] = delta["frame_bytes"] / packets
    else:
        found.update(counters.per(delta, delta["disk_bytes"] / what), per="operation")
    return found


class Native:
    def __init__(self, bench):
        self.bench, self.peer = bench, None
        if bench.net:
            self.peer = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
            time.sleep(0.3)
            self.inside = ["nsenter", "--net=/proc/%d/ns/net" % self.peer.pid]
            host.run(
                [
                    "ip",
                    "link",
                    "add",
                    "veth0",
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "veth1",
                    "netns",
                    str(self.peer.pid),
                ]
            )
            host.run(["ip", "addr", "add", "10.98.0.1/24", "dev", "veth0"])
            host.run(["ip", "link", "set", "veth0", "up"])
            for words in (["addr", "add", "10.98.0.2/24", "dev", "veth1"], ["link", "set", "veth1", "up"]):
                host.run(self.inside + ["ip"] + words)

    def timed(self, words):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            time.sleep(0.15 + 0.15 * self.bench.seconds)
            first = guest.Sample(host.cpu_seconds(process.pid))
            time.sleep(0.7 * self.bench.seconds)
            last = guest.Sample(host.cpu_seconds(process.pid))
            text, errors = process.communicate(timeout=self.bench.seconds + 60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise guest.Failure("status %d: %s" % (process.returncode, (text + errors).strip()[-300:]))
        return text, first, last

    def disk(self, arguments, cache):
        text, *samples = self.timed(
            fio_words(
                arguments, self.bench.image, self.bench.seconds, cache == "none", self.bench.engine
            ).split()
        )
        return accounted(fio_result(text), *samples, block_of(arguments))

    def network(self, kind):
        text, *samples = self.timed(
            self.inside + [host.program("net"), kind, "10.98.0.1", str(PORT), str(self.bench.seconds)]
        )
        return accounted(net_result(text, kind), *samples, "pingpong" if kind == "pingpong" else "stream")

    def end(self):
        if self.peer:
            self.peer.kill()
            self.peer.wait()


class Inside:
    """A booted machine with the file as its disk and a card; one for each cache mode."""

    def __init__(self, bench, system, cache):
        self.bench = bench
        kind, disk, card, pv = SYSTEMS[system]
        file = (
            "null=%d" % bench.size
            if bench.null and kind == "tcg"
            else "null=%dM" % (bench.size >> 20)
            if bench.null
            else bench.image
        )
        devices = guest.disk_words(kind, file, disk, cache) + (
            guest.net_words(kind, card) if bench.net else []
        )
        self.guest = guest.Guest(
            os.path.join(bench.out, "%s-%s.console" % (system, cache)),
            kind,
            bench.kernel,
            bench.initrd,
            pv,
            devices,
            "bench.sectors=%d" % (bench.size // 512),
            "1G",
        )
        try:
            self.guest.shell()
            self.guest.run("test -b /disk/. -o -b /disk && fio --version")
        except BaseException:
            self.end()
            raise

    def timed(self, line):
        self.guest.type(line + "\necho status=$?=\n")
        self.guest.expect("@@run\n", 60)
        time.sleep(0.15 * self.bench.seconds)
        first = self.guest.sample()
        time.sleep(0.7 * self.bench.seconds)
        last = self.guest.sample()
        text = self.guest.expect(r"(?s)^(.*?)guest:status=(\d+)=\nguest:", self.bench.seconds + 60)
        if text.group(2) != b"0":
            raise guest.Failure("status %s: %s" % (text.group(2).decode(), text.group(1).decode()[-300:]))
        return text.group(1).decode(errors="replace").replace("\r", ""), first, last

    def disk(self, arguments, _cache):
        text, *samples = self.timed(
            fio_words(
                arguments + " --exec_prerun=/mark",
                "$(readlink /disk)",
                self.bench.seconds,
                1,
                self.bench.engine,
            )
        )
        return accounted(fio_result(text), *samples, block_of(arguments))

    def network(self, kind):
        text, *samples = self.timed("/net %s 10.99.0.1 %d %s" % (kind, PORT, self.bench.seconds))
        return accounted(net_result(text, kind), *samples, "pingpong" if kind == "pingpong" else "stream")

    def end(self):
        self.guest.end()


class Bench:
    def __init__(self, args, results):
        self.args, self.results = args, results
        self.seconds, self.null = args.seconds, args.null
        self.out = args.out
        self.passes = args.passes or 1
        self.size = args.size << 20
        self.net = self.server = self.made = None
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

    def steps(self):
        return len(self.systems) * len(self.jobs) * self.passes

    def measure(self, progress):
        if self.net:
            self.server = subprocess.Popen([host.program("net"), "serve", str(PORT)])
        for number in range(self.passes):
            for system in self.systems if number % 2 == 0 else reversed(self.systems):
                time.sleep(self.args.rest)
                for cache in ("none", "writeback"):
                    self.machine(progress, system, cache)

    def machine(self, progress, system, cache):
        jobs = [j for j in self.jobs if (DISK_JOBS[j][1] if j in DISK_JOBS else "none") == cache]
        if not jobs:
            return
        if cache == "writeback" and self.image:
            self.warm()
        left = len(jobs)
        try:
            where = Native(self) if system == "native" else Inside(self, system, cache)
            try:
                for job in jobs:
                    progress.begin(system, job)
                    left -= 1
                    self.job(progress, where, system, job)
            finally:
                where.end()
        except guest.Failure as failure:
            progress.end("failed")
            progress.skip(left)
            self.results.note("%s, cache=%s: %s" % (system, cache, failure))

    def job(self, progress, where, system, job):
        if job in DISK_JOBS:
            arguments, cache, key = DISK_JOBS[job]
            found = where.disk(arguments, cache)
        else:
            kind, key = NET_JOBS[job]
            found = where.network(kind)
        record = dict(
            found,
            bench=NAME,
            job=job,
            what=self.what(job),
            system=system,
            unit=UNITS[key],
            value=found[key],
            better="lower" if key == "us" else "higher",
        )
        self.results.add(record)
        progress.end(
            "%.1f %s%s%s"
            % (
                record["value"],
                UNITS[key],
                "" if "cpu_us" not in record else ", %.1f us CPU" % record["cpu_us"],
                "" if "exits_total" not in record else ", %.1f exits" % record["exits_total"],
            )
        )
        # What a job wrote must be the disk's own affair before the next one is measured.
        if "write" in job and self.image:
            os.sync()
            time.sleep(min(2, self.args.rest))

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
        if self.made and os.path.exists(self.made):
            os.unlink(self.made)
