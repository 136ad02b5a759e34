# SPDX-License-Identifier: MIT
# What the paravirtual disk driver has beside reading and writing (which tests/disk does): its
# attributes, discard, unbinding and unplugging with requests in flight, suspend, hosts that are slow,
# and each call about devices failing now and then, or always.  Run by tests/disk/run.
#
#   driver.py [TEST]...	some only: attributes discard unbind unplug sleep slow failing, or
#				longer beginnings: failing-queue_kick
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "disk"))
from disk import MIB, Failure, blank, end, job_end, machine, test  # noqa: E402
from suite import free_port, monitor  # noqa: E402

SIZE = 64 * MIB


def started(name, job, target=None, extra=(), append=""):
    target = target or "file=" + blank("target.img", SIZE)
    return machine(name, "pv", "disk.job=%s %s" % (job, append),
                   ["file=%s.img,device=pv,readonly" % os.environ["DISK_DEBIAN"], target + ",device=pv"],
                   initrd="driver.cpio", extra=extra)


def run(name, job, seconds=90, **more):
    with started(name, job, **more) as guest:
        return job_end(guest, seconds)


def wants(said, *lines):
    missing = [line for line in lines if line not in said]
    if missing:
        raise Failure("no \"%s\" in: %s" % (missing[0], "; ".join(said)))


def attributes(name):
    target = "file=%s,serial=the-serial-of-a-disk" % blank("target.img", SIZE)
    said = run(name, "attributes", target=target)
    wants(said, "size %d" % (SIZE // 512), "ro 0", "serial the-serial-of-a-disk", "cache_type write back",
          "scheduler [none] " if "scheduler [none] " in said else "scheduler [none]",
          "logical_block_size 512", "rotational 0", "nr_requests 128", "max_segments 126",
          "then write through write through", "then write back write back")


def queues(name, failing=None):
    said = run(name, "queues", 150, target="file=%s,queues=4" % blank("target.img", SIZE),
               append="ring3_blk.read_queues=1 suspend.pm_test_delay=0",
               extra=["--abi", "fail=%s,seed=5" % failing] if failing else ())
    wants(said, "queues 2", "idle 0", "rounds 8")


def kib_of(disk, most):
    """What a file has on the host, in KiB; waits a while until it is not more than that."""
    for _ in range(100):
        kib = os.stat(disk).st_blocks // 2
        if kib <= most:
            break
        time.sleep(0.1)
    return kib


def discard(name):
    disk = blank("target.img", SIZE)
    looks = []
    with started(name, "discard", "file=" + disk) as guest:
        # 8 MiB less 2; zeroes stay allocated; 45 of 90 files of 64 KiB go; the others, too.
        for less in (None, 0, None, 45 * 64, 45 * 64):
            guest.expect(r"disk: look\r?\n", 60)
            looks.append(kib_of(disk, SIZE if less is None else looks[-1] - less))
            guest.type("\n")
        job_end(guest)
    text = " ".join(map(str, looks)) + " KiB"
    if not 6 * 1024 <= looks[0] <= 6 * 1024 + 64 or abs(looks[1] - looks[0]) > 64:
        raise Failure("discarded, zeroed: " + text)
    if looks[2] - looks[3] < 45 * 64 or looks[3] - looks[4] < 45 * 64:
        raise Failure("files removed: " + text)
    return text


def unbind(name):
    wants(run(name, "unbind", 150), "rounds 8")


def unplug(name, load):
    """Slow: a disk so slow that nearly all that was asked for still waits in the host."""
    port = free_port()
    target = "file=" + blank("target.img", SIZE) + (",iops=100" if load == "slow" else "")
    with started(name, "unplug", target, append="disk.argument=" + load, extra=["--gdb", str(port)]) as guest:
        guest.expect(r"disk: ready\r?\n", 90)
        answer = monitor(port, "unplug 1")
        if "removed" not in answer:
            raise Failure("unplug: " + answer)
        said = job_end(guest, 60)
    start, ended = [line.split()[1:] for line in said if line.startswith("ended ")][0]
    took = float(ended) - float(start)
    # Less than the time after which the block layer looks for lost requests.
    if took > 20:
        raise Failure("requests in flight took %.1f s to fail" % took)
    return "ended after %.1f s" % took


def sleeps(name, failing=None):
    said = run(name, "sleep", 150, append="suspend.pm_test_delay=1",
               extra=["--abi", "fail=%s,seed=5" % failing] if failing else ())
    wants(said, "cache write through")
    slept = [line for line in said if line.startswith("slept 4, repaired ")]
    # Set up again by the way, that is; repaired only for a reason.
    if not slept or (not failing and slept[0] != "slept 4, repaired 0"):
        raise Failure("; ".join(said))


def slow(name, iops, amount, wanted):
    target = "file=%s,iops=%d" % (blank("target.img", SIZE), iops)
    said = run(name, "slow", 200, target=target, append="disk.argument=" + amount)
    wants(said, *wanted)
    return "; ".join(said)


def failing(name, call, errno, rate):
    said = run(name, "failing", 120, extra=["--abi", "fail=%s:%s:%s,seed=5" % (call, errno, rate)])
    result = [line for line in said if line.startswith("good ") or line == "no disk"]
    if not result:
        raise Failure("; ".join(said))
    if result[0] == "no disk":
        if rate != "1" or not any(line.startswith("said ") for line in said):
            raise Failure("; ".join(said))
    elif rate != "1" and result[0] != "good 3, bad 0":
        raise Failure("; ".join(said))
    elif rate == "1" and call == "queue_kick" and result[0] != "good 0, bad 3":
        raise Failure("; ".join(said))
    return "; ".join(said[:-1])


def main():
    tests = [("attributes", attributes), ("discard", discard), ("unbind", unbind),
             ("queues", queues), ("queues-failing", queues, "queue_kick:EIO:20%"),
             ("sleep", sleeps), ("sleep-failing", sleeps, "queue_setup:EIO:20%"),
             ("slow-long", slow, 4, "160k", ("fio 0", "long")),
             ("slow-silent", slow, 1, "96k", ("silent", "again"))]
    tests += [("unplug-" + load, unplug, load) for load in ("raw", "files", "slow", "idle")]
    for call in ("device_info", "device_features", "device_status", "device_config", "queue_setup",
                 "queue_kick"):
        rates = [("ENODEV", "30%"), ("EIO", "10%")] if call == "queue_kick" else [("EINVAL", "30%")]
        for errno, rate in rates + [("EIO", "1")]:
            tests.append(("failing-%s-%s" % (call, rate.strip("%")), failing, call, errno, rate))
    wanted = sys.argv[1:]
    for name, function, *arguments in tests:
        if not wanted or any((name + "-").startswith(word + "-") for word in wanted):
            test("pv-" + name, function, "pv-" + name, *arguments)
    end()


main()
