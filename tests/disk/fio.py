# SPDX-License-Identifier: MIT
# fio with verify in the guest, over every device, cache mode and engine: the Debian system's fio,
# on the first disk, writes to the second one.  (The whole system need not start for that.)
import os

from disk import CACHES, DEVICES, ENGINES, MIB, blank, end, engine, job, test


def verify(name, device, cache, io):
    disk = blank("fio.img", 96 * MIB)
    said = job(name, "cloud", "disk.job=fio",
               ["file=%s.img,device=%s,readonly" % (os.environ["DISK_DEBIAN"], "virtio"),
                "file=%s,device=%s,cache=%s" % (disk, device, cache)],
               seconds=240, extra=engine(io))
    return "%d jobs" % sum(line.endswith(" ok") for line in said)


def main():
    for device in DEVICES:
        for cache in CACHES:
            for io in ENGINES:
                name = "fio/%s-%s%s" % (device, cache, "-" + io if io else "")
                test(name, verify, name, device, cache, io)
    end()


main()
