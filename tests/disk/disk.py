# SPDX-License-Identifier: MIT
# What the programs of this folder share: the work directory that tests/disk/run prepared, images,
# file system checks on the host, verdicts, machines that run tests/disk/guest.
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "boot"))
sys.dont_write_bytecode = True
from machine import Failure, command, unprivileged  # noqa: E402,F401
from suite import Suite  # noqa: E402

suite = Suite("disk")
path, log_of, test, end = suite.path, suite.log_of, suite.test, suite.end
KIND = os.environ.get("MACHINE", "ring3")
DEVICES = os.environ.get("DISK_DEVICES", "ide virtio").split()
CACHES = ["none", "writeback"]
ENGINES = ["uring", "threads"] if KIND == "ring3" else [""]
MIB = 1 << 20

# A guest's clock, set from a clock of whole seconds, may be half a second ahead of the host's.
os.environ["E2FSCK_CONFIG"] = path("e2fsck.conf")
with open(os.environ["E2FSCK_CONFIG"], "w", encoding="ascii") as e2fsck_conf:
    e2fsck_conf.write("[options]\nbroken_system_clock = 1\n")


def tool(*words, ok=(0,)):
    """A program of the host; its output."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode not in ok:
        raise Failure("%s: status %d: %s" % (" ".join(words), done.returncode,
                                             done.stdout.decode(errors="replace")[-400:]))
    return done.stdout.decode(errors="replace")


def own(name):
    """To whom the machine belongs (machine.unprivileged)."""
    if os.getuid() == 0:
        os.chown(name, 65534, 65534)


def image(name, size, directory=None):
    """An ext4 image, sparse, with the files of a directory in it."""
    name = path(name)
    if os.path.exists(name):
        os.unlink(name)
    with open(name, "wb") as f:
        f.truncate(size)
    words = ["mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    tool(*words, *(["-d", directory] if directory else []), name)
    own(name)
    return name


def blank(name, size, byte=b"\0"):
    name = path(name)
    with open(name, "wb") as f:
        if byte == b"\0":
            f.truncate(size)
        for _ in range(0, size if byte != b"\0" else 0, MIB):
            f.write(byte * MIB)
    own(name)
    return name


def clean(name):
    """The file system is as a machine that was shut down leaves it."""
    state = tool("dumpe2fs", "-h", name)
    if "needs_recovery" in state:
        raise Failure("the journal was not written back")
    tool("e2fsck", "-fn", name)


def dump(name, file):
    """A file out of an image."""
    to = path("dump")
    tool("debugfs", "-R", "dump /%s %s" % (file, to), name)
    with open(to, "rb") as f:
        return f.read()


def engine(io):
    return ["--io", io] if io and KIND == "ring3" else []


def machine(name, kernel, append, disks, initrd=None, extra=(), memory="256M", preexec=None, prefix=()):
    """A machine of nobody's that runs the job `append` names, with the initramfs of that kernel.
    Disks with device=pv take the kernel that has a driver for them."""
    console = "ttyS0"
    if any("device=pv" in disk for disk in disks):
        kernel, console, extra = "pv", "hvc0", ["--pv", "ring3"] + list(extra)
    words = command(path(kernel), path(initrd or kernel + ".cpio"),
                    "console=%s quiet panic=-1 %s" % (console, append), disks, memory=memory, extra=extra)
    return suite.start(name, list(prefix) + unprivileged() + words, preexec=preexec)


def job(name, kernel, append, disks, seconds=60, **more):
    """Run a job of tests/disk/guest to its end; what it said, as lines without "disk: "."""
    with machine(name, kernel, append, disks, **more) as guest:
        return job_end(guest, seconds)


def job_end(guest, seconds=60):
    said = []
    while not said or not said[-1].startswith("done "):
        said.append(guest.expect(r"(?:^|\n)disk: ([^\r\n]*)\r?\n", seconds).group(1).decode(errors="replace"))
        if said[-1].startswith("complaint") or said[-1].startswith("failed"):
            # What else there is to know, if the guest gets there.
            until = time.monotonic() + 60
            while time.monotonic() < until and guest.read(2) and b"script ended" not in guest.text:
                pass
            raise Failure("; ".join(said[-3:]))
    status = guest.wait(60)
    if status != 0:
        raise Failure("the machine ended with status %d: %s" % (status, guest.tail()))
    return said
