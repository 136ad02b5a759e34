# SPDX-License-Identifier: MIT
"""Where a job of `ring3 bench io` runs: on the host itself, or in a machine booted for it.

fio says when it begins (exec_prerun), the network program too.  What fio does in the first
15 % is not counted in its figures (ramp_time).  CPU time and counters are sampled between 15 %
and 85 % of the rest, so that neither the start nor the end counts; operations in between are those
the back-ends counted, or the rate times the time where nobody counts.
"""
import os
import subprocess
import time

from . import counters, guest, host

PORT = 7700
RAMP = 0.15  # of a job's seconds, before them: programs are loaded, code is translated


def fio_words(arguments, target, seconds, direct, engine):
    return (
        "fio --name=j --filename=%s --size=100%% --direct=%d --ioengine=%s --norandommap=1 --randrepeat=0 "
        "--thread=1 --time_based=1 --runtime=%dms --ramp_time=%dms --output-format=terse --terse-version=3 "
        "--gtod_reduce=0 --invalidate=0 %s"
        % (target, direct, engine, seconds * 1000, RAMP * seconds * 1000, arguments)
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
    """The host; its network is a namespace at the other end of a veth pair."""

    def __init__(self, bench, net):
        self.bench, self.peer = bench, None
        if not net:
            return
        self.peer = subprocess.Popen(["unshare", "--net", "sleep", "3600"], preexec_fn=host.bound())
        try:
            time.sleep(0.3)
            self.inside = ["nsenter", "--net=/proc/%d/ns/net" % self.peer.pid]
            pair = "ip link add veth0 type veth peer name veth1 netns %d" % self.peer.pid
            for line in (pair, "ip addr add 10.98.0.1/24 dev veth0", "ip link set veth0 up"):
                host.run(line.split())
            for line in ("ip addr add 10.98.0.2/24 dev veth1", "ip link set veth1 up"):
                host.run(self.inside + line.split())
        except BaseException as error:
            self.end()
            if isinstance(error, (OSError, subprocess.CalledProcessError)):
                raise guest.Failure("no veth pair: %s" % error) from None
            raise

    def timed(self, words, ramp=0):
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=host.bound()
        )
        try:
            time.sleep(0.15 + ramp + 0.15 * self.bench.seconds)
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
            ).split(),
            RAMP * self.bench.seconds,
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
    """A machine, booted for a few jobs, with the file as its disk or with a card.

    what: (kind of machine, disk, card, --pv)."""

    def __init__(self, bench, system, what, cache, net):
        self.bench = bench
        kind, disk, card, pv = what
        file = (
            "null=%d" % bench.size
            if bench.null and kind == "tcg"
            else "null=%dM" % (bench.size >> 20)
            if bench.null
            else bench.image
        )
        devices = guest.net_words(kind, card) if net else guest.disk_words(kind, file, disk, cache)
        self.guest = guest.Guest(
            os.path.join(bench.out, "io-%s.console" % system),
            kind,
            bench.kernel,
            bench.initrd,
            pv,
            devices,
            "bench.sectors=%d" % (0 if net else bench.size // 512),
            "1G",
        )
        try:
            self.guest.shell()
            if not net:
                self.guest.run("test -b /disk && fio --version")
        except BaseException:
            self.end()
            raise

    def timed(self, line, ramp=0):
        self.guest.type(line + "\necho status=$?=\n")
        self.guest.expect("@@run\n", 60)
        time.sleep(ramp + 0.15 * self.bench.seconds)
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
            ),
            RAMP * self.bench.seconds,
        )
        return accounted(fio_result(text), *samples, block_of(arguments))

    def network(self, kind):
        text, *samples = self.timed("/net %s 10.99.0.1 %d %s" % (kind, PORT, self.bench.seconds))
        return accounted(net_result(text, kind), *samples, "pingpong" if kind == "pingpong" else "stream")

    def end(self):
        self.guest.end()
