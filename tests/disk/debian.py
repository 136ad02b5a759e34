# SPDX-License-Identifier: MIT
# The stock Debian system of tests/boot/make-debian on each disk device: boots with its own kernel
# and initrd to a login prompt, keeps what was written over a reboot (of the same machine), shuts
# down; then the host checks the file system.
import hashlib
import os
import re
import time

from disk import DEVICES, Failure, clean, command, dump, end, engine, log_of, own, path, suite, test, tool
from disk import unprivileged

# What no healthy boot says.  (Stock kernels say other things at level "err" on a machine that
# has not everything; those are not about this.)
COMPLAINTS = (r"I/O error|BUG:|WARNING:|Oops|Call Trace|exception Emask|failed command|lost interrupt|"
              r"EXT4-fs (error|warning)|timed out|soft lockup|rcu.*stall|hung_task|blocked for more than|"
              r"irq \d+: nobody cared|Dependency failed|Failed to start|emergency mode|"
              r"link is slow|hard resetting|clocksource.*unstable")


def healthy(guest):
    state = guest.run("systemctl is-system-running --wait", 120, check=False)
    failed = guest.run("systemctl --failed --no-legend --plain")
    if state != "running" or failed:
        raise Failure("the system is %s: %s" % (state, failed))


def complaints(log):
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            if re.search(COMPLAINTS, line):
                raise Failure("the console says: " + line.strip())


def boots(name, kernel, device, cache, io, prefix):
    disk = path("debian.img")
    tool("cp", "--sparse=always", os.environ["DISK_DEBIAN"] + ".img", disk)
    own(disk)
    words = command(path(kernel + ".vmlinuz"), path(kernel + ".initrd"), "root=LABEL=root console=ttyS0",
                    ["file=%s,device=%s,cache=%s,serial=R3-0042" % (disk, device, cache)],
                    extra=engine(io) + prefix, reboot=True)
    with suite.start(name, unprivileged() + words) as guest:
        started = time.monotonic()
        guest.login(240)
        first = time.monotonic() - started
        healthy(guest)
        root = guest.run("findmnt -n -o SOURCE /")
        block = os.path.basename(root)
        driver = guest.run("readlink -f /sys/block/%s/device" % block)
        if ("virtio" in driver) != (device == "virtio"):
            raise Failure("the root is on " + driver)
        serial = guest.run("cat /sys/block/%s/serial 2>/dev/null || udevadm info -q property "
                           "-n %s | sed -n s/ID_SERIAL_SHORT=//p" % (block, root))
        if serial != "R3-0042":
            raise Failure("the serial number is \"%s\"" % serial)
        guest.run("dd if=/dev/urandom of=/root/data bs=1M count=24 2>&1")
        guest.run("mkdir /root/many && cd /root/many && for i in $(seq 1 300); do echo $i >$i; done; cd")
        digest = guest.run("cat /root/data /root/many/* | sha256sum")
        guest.run("sync; sha256sum /root/data >/root/sums; fstrim -v / 2>&1 || :", 120)
        guest.type("systemctl reboot\n")
        guest.expect(r"Restarting system|reboot: ", 120)
        guest.login(240)
        healthy(guest)
        if guest.run("cat /root/data /root/many/* | sha256sum", 120) != digest:
            raise Failure("something else is read after the reboot")
        kernel_log = guest.run("dmesg")
        with open(log_of(name, "dmesg"), "w", encoding="utf-8") as f:
            f.write(kernel_log)
        guest.run("rm -r /root/many; cp /root/data /root/copy; echo over >/root/again")
        guest.type("systemctl poweroff\n")
        status = guest.wait(180)
        if status != 0:
            raise Failure("the machine ended with status %d" % status)
    complaints(log_of(name))
    complaints(log_of(name, "dmesg"))
    clean(disk)
    if dump(disk, "root/again") != b"over\n":
        raise Failure("what was written last is not there")
    data = dump(disk, "root/copy")
    if hashlib.sha256(data).hexdigest() != dump(disk, "root/sums").decode().split()[0]:
        raise Failure("the host reads something else")
    os.unlink(disk)
    return "login after %.0f s" % first


def main():
    for index, device in enumerate(DEVICES):
        cache, io = [("none", "uring"), ("writeback", "uring")][index % 2]
        name = "debian/generic-" + device
        test(name, boots, name, "debian", device, cache, io, [])
    name = "debian/cloud-" + DEVICES[-1]
    test(name, boots, name, "debian.cloud", DEVICES[-1], "none", "threads", [])
    end()


main()
