# SPDX-License-Identifier: MIT
# offset= and size=: a guest has its window of a file and nothing beside it, several guests have
# disjoint ones of the same file at once; readonly; a file system inside a window; a partition table
# that the guest finds itself; several disks in one machine; limits of rate.
import hashlib
import os
import subprocess

from disk import CACHES, DEVICES, ENGINES, KIND, MIB, Failure, blank, clean, end, engine, image, job, job_end
from disk import machine, path, test, tool


def filled(name, device, cache, io):
    """One window from the middle of a sector-aligned nowhere, everything else untouched."""
    offset, size = 3 * MIB + 512 * 7, 5 * MIB + 512 * 5
    if cache == "none":
        # O_DIRECT wants what the host's disk wants.
        offset, size = 3 * MIB + 4096, 5 * MIB + 4096
    disk = blank("window.img", 16 * MIB, b"\xa5")
    said = job(name, "cloud", "disk.job=fill disk.argument=x",
               ["file=%s,device=%s,cache=%s,offset=%d,size=%d" % (disk, device, cache, offset, size)],
               extra=engine(io))
    if "size %d" % size not in said:
        raise Failure("the guest sees another size than %d: %s" % (size, said))
    with open(disk, "rb") as f:
        data = f.read()
    if len(data) != 16 * MIB:
        raise Failure("the file has %d bytes now" % len(data))
    if data[offset:offset + size] != b"x" * size:
        raise Failure("the window is not what the guest wrote")
    if data[:offset].strip(b"\xa5") or data[offset + size:].strip(b"\xa5"):
        raise Failure("something was written outside the window")


def several(name, device, io):
    """Three machines at once."""
    disk = blank("several.img", 24 * MIB, b"\xa5")
    guests = []
    try:
        for index, letter in enumerate("abc"):
            guests.append(machine(name + "-" + letter, "cloud", "disk.job=fill disk.argument=" + letter,
                                  ["file=%s,device=%s,offset=%d,size=%d" % (
                                      disk, device, (2 + index * 7) * MIB, 6 * MIB)],
                                  extra=engine(io), memory="128M"))
        for guest in guests:
            job_end(guest, 120)
    finally:
        for guest in guests:
            guest.end()
    with open(disk, "rb") as f:
        data = f.read()
    want = bytearray(b"\xa5" * 24 * MIB)
    for index, letter in enumerate(b"abc"):
        want[(2 + index * 7) * MIB:(8 + index * 7) * MIB] = bytes([letter]) * 6 * MIB
    if data != want:
        raise Failure("the file is not what three guests wrote")


def readonly(name, device, io):
    disk = image("readonly.img", 48 * MIB, path("files"))
    os.chmod(disk, 0o444)
    before = hashlib.sha256(open(disk, "rb").read()).hexdigest()
    job(name, "cloud", "disk.job=readonly", ["file=%s,device=%s,readonly" % (disk, device)],
        extra=engine(io))
    if hashlib.sha256(open(disk, "rb").read()).hexdigest() != before:
        raise Failure("the file has changed")
    os.unlink(disk)


def filesystem(name, device, cache, io):
    """A partition given as a window."""
    inner = image("inner.img", 32 * MIB, path("files"))
    disk = blank("outer.img", 40 * MIB, b"\xa5")
    tool("dd", "if=" + inner, "of=" + disk, "bs=1M", "seek=5", "conv=notrunc")
    job(name, "cloud", "disk.job=filesystem",
        ["file=%s,device=%s,cache=%s,offset=%d,size=%d" % (disk, device, cache, 5 * MIB, 32 * MIB)],
        extra=engine(io))
    tool("dd", "if=" + disk, "of=" + inner, "bs=1M", "skip=5", "count=32", "conv=notrunc")
    clean(inner)
    with open(disk, "rb") as f:
        data = f.read()
    if data[:5 * MIB].strip(b"\xa5") or data[37 * MIB:].strip(b"\xa5"):
        raise Failure("something was written outside the window")


def partitioned(name, device, io):
    """Two partitions; the second one is mounted, the first one is left alone."""
    inner = image("inner.img", 32 * MIB, path("files"))
    disk = blank("partitions.img", 44 * MIB, b"\xa5")
    table = subprocess.run(["sfdisk", "-q", disk], input=b"label: dos\nstart=2048, size=16384, type=83\n"
                           b"start=20480, size=65536, type=83\n", stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, check=False)
    if table.returncode:
        raise Failure("sfdisk: " + table.stdout.decode(errors="replace"))
    tool("dd", "if=" + inner, "of=" + disk, "bs=1M", "seek=10", "conv=notrunc")
    said = job(name, "cloud", "disk.job=filesystem disk.argument=2", ["file=%s,device=%s" % (disk, device)],
               extra=engine(io))
    if "partitions 16384 65536 " not in said:
        raise Failure("the guest found other partitions: " + "; ".join(said))
    tool("dd", "if=" + disk, "of=" + inner, "bs=1M", "skip=10", "count=32", "conv=notrunc")
    clean(inner)
    with open(disk, "rb") as f:
        data = f.read()
    if data[MIB:10 * MIB].strip(b"\xa5") or data[42 * MIB:].strip(b"\xa5"):
        raise Failure("something was written outside the partition")


def together(name, devices):
    """Disks of both kinds, each with its own content and size."""
    disks, want = [], []
    for index, device in enumerate(devices):
        disk = blank("together-%d.img" % index, (index + 1) * MIB)
        with open(disk, "r+b") as f:
            f.write(b"disk-number-%04d" % index)
        disks.append("file=%s,device=%s,cache=%s" % (disk, device, CACHES[index // 2 % 2]))
        want.append("found %d disk-number-%04d" % ((index + 1) * 2048, index))
    said = job(name, "cloud", "disk.job=several", disks)
    found = sorted(line for line in said if line.startswith("found"))
    if found != sorted(want):
        raise Failure("the guest found " + "; ".join(found))
    for index in range(len(devices)):
        with open(path("together-%d.img" % index), "rb") as f:
            if f.read() != (b"disk-number-%04d" % index)[::-1].ljust((index + 1) * MIB, b"\0"):
                raise Failure("disk %d is not what the guest wrote" % index)
    return "%d disks" % len(devices)


def limited(name, device, limit, least, io):
    disk = blank("limited.img", 16 * MIB, b"l")
    said = job(name, "cloud", "disk.job=limits", ["file=%s,device=%s,%s" % (disk, device, limit)],
               extra=engine(io))
    times = [line.split()[1:] for line in said if line.startswith("took ")][0]
    took = float(times[1]) - float(times[0])
    # There is no upper bound on a busy host.
    if took < least:
        raise Failure("%s: took %.2f s, less than %.2f s" % (limit, took, least))
    return "%s: %.2f s" % (limit, took)


def main():
    os.makedirs(path("files"), exist_ok=True)
    data = os.urandom(3 * MIB)
    with open(path("files/from-host"), "wb") as f:
        f.write(data)
    with open(path("files/from-host.sum"), "w", encoding="ascii") as f:
        f.write("%s  from-host\n" % hashlib.sha256(data).hexdigest())
    for number, device in enumerate(DEVICES):
        for index, cache in enumerate(CACHES):
            io = ENGINES[(index + number) % len(ENGINES)]
            name = "window/fill-%s-%s" % (device, cache)
            test(name, filled, name, device, cache, io)
        name = "window/filesystem-" + device
        test(name, filesystem, name, device, CACHES[number % 2], ENGINES[-1])
        name = "window/several-" + device
        test(name, several, name, device, ENGINES[number % len(ENGINES)])
        name = "window/partitions-" + device
        test(name, partitioned, name, device, ENGINES[0])
        # QEMU's IDE disks cannot be read-only.
        if device != "ide" or KIND == "ring3":
            name = "window/readonly-" + device
            test(name, readonly, name, device, ENGINES[0])
        if KIND == "ring3":
            # 300 + 6 or more requests, a second's worth of them at once; 7.2 MB.
            name = "limits/iops-" + device
            test(name, limited, name, device, "iops=150", 1.0, ENGINES[0])
            name = "limits/bps-" + device
            test(name, limited, name, device, "bps=3000000", 1.3, ENGINES[-1])
    if "ide" in DEVICES and "virtio" in DEVICES:
        name = "window/together"
        test(name, together, name, ["ide", "virtio"] * 4 if KIND == "ring3" else ["ide", "virtio"] * 2)
    if "pv" in DEVICES:
        name = "window/together-pv"
        test(name, together, name, ["ide", "virtio", "pv", "pv"] * 2)
    end()


main()
