# SPDX-License-Identifier: MIT
# Kernels x devices x cache modes, the back-end's engines in turn: each mounts an ext4 image, finds
# the host's file in it, writes its own, unmounts and finds them again; then the host checks.
#
#   combinations.py [KERNEL]...
import hashlib
import os
import sys

from disk import CACHES, DEVICES, ENGINES, MIB, Failure, clean, dump, end, engine, image, job, path, test


def combination(name, kernel, device, cache, io):
    disk = image("combination.img", 48 * MIB, path("files"))
    job(name, kernel, "disk.job=filesystem", ["file=%s,device=%s,cache=%s" % (disk, device, cache)],
        extra=engine(io))
    clean(disk)
    for sums in ("from-host.sum", "from-guest.sum"):
        lines = dump(disk, sums).decode().split("\n")[:-1]
        if len(lines) < (1 if sums == "from-host.sum" else 50):
            raise Failure("%s has %d lines" % (sums, len(lines)))
        for line in lines[:8]:
            digest, file = line.split()
            if hashlib.sha256(dump(disk, file)).hexdigest() != digest:
                raise Failure("%s is not what the guest wrote" % file)


def main():
    os.makedirs(path("files"), exist_ok=True)
    data = os.urandom(6 * MIB)
    with open(path("files/from-host"), "wb") as f:
        f.write(data)
    with open(path("files/from-host.sum"), "w") as f:
        f.write("%s  from-host\n" % hashlib.sha256(data).hexdigest())
    count = 0
    for kernel in sys.argv[1:]:
        for device in DEVICES:
            for cache in CACHES:
                # Each engine meets each device in each cache mode.
                io = ENGINES[(count + count // 2 + count // 4) % len(ENGINES)]
                name = "combination/%s-%s-%s%s" % (kernel, device, cache, "-" + io if io else "")
                test(name, combination, name, kernel, device, cache, io)
                count += 1
    end()


main()
