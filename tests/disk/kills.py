# SPDX-License-Identifier: MIT
# Durability: the guest writes records and announces each when fsync() has returned (records.c);
# the machine is killed with SIGKILL at a random moment; then every announced record must be in the
# image, and the file system whole once its journal was replayed.  And what a flush promises: when
# the guest says "synced", the host has nothing left to write (cachestat).
#
# $DISK_KILLS: how often for each device and cache mode.
import ctypes
import os
import random
import re
import signal
import struct
import time
import zlib

from disk import CACHES, DEVICES, ENGINES, MIB, Failure, end, engine, image, machine, path, test, tool

MAGIC, HEADER, SLOT, SLOTS, BODY_MAX = 0x64636572, 16, 4096, 64, 20000
LAG = 64      # records made at most that were not announced yet
CACHESTAT = 451


def body_size(n):
    return n * 7919 % (1 << 32) % BODY_MAX


def record_at(data, offset, n, body):
    """Whether record n lies there."""
    if len(data) < offset + HEADER + body:
        return False
    header = struct.unpack_from("<4I", data, offset)
    content = data[offset + HEADER:offset + HEADER + body]
    return header == (MAGIC, n, body, zlib.adler32(content)) and \
        (body < 1 or content[0] == n * 167 & 255)


def check_run(disk, run, synced):
    """All records 1..synced, in the three places where they were put."""
    listing = tool("debugfs", "-R", "ls -p /run-%d" % run, disk)
    names = set(line.split("/")[5] for line in listing.split("\n") if line.count("/") >= 6)
    extract = path("extract")
    tool("rm", "-rf", extract)
    os.mkdir(extract)
    tool("debugfs", "-R", "rdump /run-%d %s" % (run, extract), disk)
    folder = os.path.join(extract, "run-%d" % run)

    def read(name):
        with open(os.path.join(folder, name), "rb") as f:
            return f.read()

    if synced == 0:
        return
    if "log" not in names:
        raise Failure("there is no log of run %d, of %d records" % (run, synced))
    log, offset = read("log"), 0
    for n in range(1, synced + 1):
        if not record_at(log, offset, n, body_size(n)):
            raise Failure("record %d of %d is not in the log (byte %d of %d)" % (n, synced, offset, len(log)))
        offset += HEADER + body_size(n)
    slots = read("slots") if "slots" in names else b""
    for number in range(max(1, synced // 4 + 1 - SLOTS), synced // 4 + 1):
        # Or one that took its place and was not announced yet: what says so is buffered on its way.
        at = number % SLOTS * SLOT
        if not any(record_at(slots, at, 4 * later, SLOT - HEADER)
                   for later in range(number, (synced + LAG) // 4 + 1, SLOTS)):
            found = struct.unpack_from("<4I", slots, at) if len(slots) >= at + HEADER else "nothing"
            raise Failure("record %d of %d is not in its slot, but %s" % (number * 4, synced, found))
    for n in range(8, synced + 1, 8):
        if n <= synced + LAG - 800:
            continue    # it may be removed already
        if "file-%d" % n not in names or not record_at(read("file-%d" % n), 0, n, body_size(n)):
            raise Failure("file-%d of %d is not there or not whole" % (n, synced))


def replayed(disk):
    """A copy of an image whose journal was replayed; nothing else may need repair."""
    copy = path("kill.check")
    tool("cp", "--sparse=always", disk, copy)
    tool("e2fsck", "-p", "-E", "journal_only", copy, ok=(0, 1))
    report = tool("e2fsck", "-fn", copy, ok=(0, 4))
    # Files that were unlinked while open, and counts that mount corrects from the groups'.
    rest = [line for line in report.split("\n") if line and not re.match(
        r"e2fsck |Pass |Clearing orphaned inode|Free (blocks|inodes) count wrong|Fix\? no|$|"
        r"Inodes that were part of a corrupted orphan|.*: (clean|\*+ WARNING|\d+/\d+ files)|"
        r"Warning!|Setting free|Orphan file", line.strip())]
    if rest:
        raise Failure("the file system is not whole: " + " | ".join(rest)[:300])
    return copy


def gone(guest, seconds=5.0):
    """Nothing of a killed machine may go on writing."""
    until = time.monotonic() + seconds
    while True:
        guest.process.poll()
        alive = guest.members()
        if not alive:
            return
        if time.monotonic() > until:
            raise Failure("of the killed machine are still there after %.0f s: %s" % (
                seconds, ", ".join(alive)))
        time.sleep(0.02)


def run_and_kill(name, disk, run, device, cache, io, delay):
    """How many records were announced."""
    guest = machine(name, "cloud", "disk.job=records disk.argument=%d" % run,
                    ["file=%s,device=%s,cache=%s" % (disk, device, cache)], extra=engine(io))
    with guest:
        guest.expect(r"synced 1\r?\n", 60)
        until = time.monotonic() + delay
        while time.monotonic() < until:
            if not guest.read(until - time.monotonic()):
                raise Failure("ended by itself: " + guest.tail())
        os.kill(guest.process.pid, signal.SIGKILL)
        gone(guest)
        # What it had said by then.
        while guest.read(0.2):
            pass
        text = guest.text
    if b"disk: failed" in text:
        raise Failure("the guest says: " + text[text.index(b"disk: failed"):][:200].decode(errors="replace"))
    announced = re.findall(rb"synced (\d+)\r?\n", text)
    return int(announced[-1]) if announced else 1


def kills(name, device, cache, io, count):
    disk = image("kill.img", 256 * MIB)
    last, total = None, 0
    for run in range(1, count + 1):
        # The guest itself replays the journal of the run before.
        synced = run_and_kill(name, disk, run, device, cache, io, random.uniform(0.02, 1.6))
        total += synced
        copy = replayed(disk)
        check_run(copy, run, synced)
        if last is not None:
            check_run(copy, run - 1, last)
        last = synced
    if total < 10 * count:
        raise Failure("only %d records in %d runs" % (total, count))
    return "%d kills, %d records" % (count, total)


def cachestat(name):
    """Pages of a file that are dirty or being written; None where the kernel cannot say."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(name, os.O_RDONLY)
    area, result = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
    status = libc.syscall(CACHESTAT, fd, area, result, 0)
    os.close(fd)
    return None if status else result[1] + result[2]


def flushed(name, device, io):
    disk = image("flush.img", 64 * MIB)
    tool("sync", disk)
    guest = machine(name, "cloud", "disk.job=records disk.argument=1,40",
                    ["file=%s,device=%s,cache=writeback" % (disk, device)], extra=engine(io))
    with guest:
        most = 0
        while not re.search(rb"stopped\r?\n", guest.text):
            if not guest.read(30):
                raise Failure("ended by itself: " + guest.tail())
            most = max(most, cachestat(disk))
        left = cachestat(disk)
    if left:
        raise Failure("%d pages are not on storage when fsync has returned" % left)
    return "at most %d dirty pages before" % most


def main():
    count = int(os.environ.get("DISK_KILLS", "8"))
    for number, device in enumerate(DEVICES):
        for index, cache in enumerate(CACHES):
            io = ENGINES[(number + index) % len(ENGINES)]
            name = "kills/%s-%s%s" % (device, cache, "-" + io if io else "")
            test(name, kills, name, device, cache, io, count)
        for io in ENGINES:
            name = "flush/%s%s" % (device, "-" + io if io else "")
            probe = image("flush.img", 8 * MIB)
            if cachestat(probe) is None:
                print("SKIP disk/%s: this host's kernel has no cachestat" % name, flush=True)
            else:
                test(name, flushed, name, device, io)
    end()


main()
