# SPDX-License-Identifier: MIT
# What the host refuses: an image on a full file system, beyond the limit of a file's size, cut off
# while the guest reads it; and what cannot be opened at all.  The guest sees I/O errors there, its
# disk and the machine live on, and ring3 says it once.
import os
import re
import resource
import subprocess

from disk import CACHES, DEVICES, ENGINES, KIND, MIB, Failure, blank, command, end, engine, job_end, log_of
from disk import machine, path, test, tool, unprivileged

SIZE = 12 * MIB
KERNEL = "pv" if DEVICES == ["pv"] else "cloud"


def said_once(name, pattern):
    """Only ring3 promises that."""
    if KIND != "ring3":
        return
    with open(log_of(name), encoding="utf-8", errors="replace") as f:
        lines = [line.strip() for line in f if line.startswith("ring3: ") and re.search(pattern, line)]
    if len(lines) != 1:
        raise Failure("ring3 says it %d times: %s" % (len(lines), " | ".join(lines)[:300]))


def suffers(name, what, disks, least, most, io, change=None, **more):
    with machine(name, "cloud", "disk.job=errors disk.argument=" + what, disks, extra=engine(io), **more) \
            as guest:
        guest.expect(r"disk: two\r?\n", 60)
        if change:
            change()
        guest.type("go\n")
        said = job_end(guest, 120)
    errors = [int(line.split()[1]) for line in said if line.startswith("errors ")]
    if not errors or not least <= errors[0] <= most:
        raise Failure("%s errors, not %d to %d: %s" % (errors, least, most, "; ".join(said)))
    if "the driver complained" not in said or "alive" not in said:
        raise Failure("; ".join(said))


def full(name, device, io):
    """A file system in memory with room for half of the image, in a mount namespace of the machine's."""
    folder = path("full")
    os.makedirs(folder, exist_ok=True)
    prefix = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
    prefix += ["sh", "-c", "mount -t tmpfs -o size=%d,mode=777 tmp %s && truncate -s %d %s/disk.img && "
               "chmod 666 %s/disk.img && exec \"$@\"" % (SIZE // 2, folder, SIZE, folder, folder), "sh"]
    if subprocess.run(prefix + ["true"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("SKIP disk/%s: no file system can be mounted here" % name, flush=True)
        return
    suffers(name, "write", ["file=%s/disk.img,device=%s,cache=writeback" % (folder, device)], 5, 7, io,
            prefix=prefix)
    said_once(name, r"[Nn]o space left")


def limited(name, device, io):
    """A process may be forbidden large files; SIGXFSZ must not end the machine."""
    start, limit = 1024 * MIB, 1024 * MIB + SIZE // 2
    disk = blank("limited.img", start + SIZE)
    suffers(name, "write", ["file=%s,device=%s,offset=%d,size=%d" % (disk, device, start, SIZE)], 5, 7, io,
            preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    said_once(name, r"[Ff]ile too large")


def truncated(name, device, cache, io):
    disk = blank("truncated.img", SIZE, b"t")
    suffers(name, "read", ["file=%s,device=%s,cache=%s" % (disk, device, cache)], 5, 6, io,
            change=lambda: os.truncate(disk, SIZE // 2))
    said_once(name, r"truncated\.img")


def refused(name, disk, pattern):
    """One sentence and status 1."""
    words = unprivileged() + command(path(KERNEL), None, "console=ttyS0", [disk])
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=20, check=False)
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode != 1 or text.count("\n") != 0 or not re.search(pattern, text):
        raise Failure("status %d: %s" % (done.returncode, text[-300:]))


def main():
    for number, device in enumerate(DEVICES):
        for index, io in enumerate(ENGINES):
            tail = device + ("-" + io if io else "")
            test("errors/full-" + tail, full, "errors/full-" + tail, device, io)
            # QEMU dies of SIGXFSZ, and reads zeroes beyond the end of a file.
            if KIND == "ring3":
                test("errors/limit-" + tail, limited, "errors/limit-" + tail, device, io)
                cache = CACHES[(number + index) % 2]
                name = "errors/truncated-%s-%s" % (tail, cache)
                test(name, truncated, name, device, cache, io)
    if KIND == "ring3":
        disk = blank("small.img", MIB)
        tool("chmod", "444", disk)
        for name, text, pattern in (
                ("missing", "file=%s" % path("missing.img"), "No such file"),
                ("not-writable", "file=%s" % disk, "[Pp]ermission denied|readonly"),
                ("directory", "file=%s" % path("files"), "neither a file"),
                ("beyond", "file=%s,readonly,offset=%d,size=%d" % (disk, MIB // 2, MIB), "do not hold"),
                ("no-file", "device=virtio", "file="),
                ("device", "file=%s,device=floppy" % disk, "floppy"),
                ("cache", "file=%s,cache=maybe" % disk, "maybe")):
            os.makedirs(path("files"), exist_ok=True)
            test("errors/refused-" + name, refused, "errors/refused-" + name, text, pattern)
    end()


main()
