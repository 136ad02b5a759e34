# SPDX-License-Identifier: MIT
# offset= and size=: a guest has its window of a file and nothing beside it, several guests have
# disjoint ones of the same file at once; readonly; a file system inside a window; and a
# partition table that the guest finds itself.
import hashlib
import os

from disk import CACHES, DEVICES, ENGINES, MIB, Failure, blank, clean, end, engine, image, job, job_end
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
        # QEMU's IDE disks cannot be read-only, and ATA has no such thing.
        if device != "ide":
            name = "window/readonly-" + device
            test(name, readonly, name, device, ENGINES[0])
    end()


main()
