#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Machines connected with each other: by sockets, over a cable with and without flaws, to QEMU, and
# by a switch.
import os
import shutil
import subprocess
import sys
import time

from net import (DEVICES, Failure, HERE, KERNELS, client, command, end, machine, path, pings, power_off,
                 rate, ready, serve, skip, suite, test, unprivileged)

BYTES = 4000000
A, B, C = "192.168.7.2", "192.168.7.3", "192.168.7.4"


class Cable:
    """tests/net/link.py between two sockets."""
    def __init__(self, name, *flaws):
        self.ends = [path(name + ".a"), path(name + ".b")]
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "link.py")] + self.ends +
                                        list(flaws), stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b"ready\n":
            raise Failure("the cable does not start")

    def report(self):
        return self.process.communicate(timeout=20)[0].decode().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def both_ways(a, b, datagrams=True):
    serve(a)
    serve(b)
    text = rate(client(a, "tcp", B, 7, BYTES)) + ", " + rate(client(b, "tcp", A, 7, BYTES))
    if datagrams:
        client(a, "udp", B, 7, 1, 1472, 7)
        client(b, "udp", A, 7, 1473, 60000, 4999)
    return text


def cable(device, *flaws):
    name = "cable-%s%s" % (device, "-flawed" if flaws else "")
    with Cable(name, *flaws) as link, \
            machine(name + "-a", "socket=" + link.ends[0], device, A) as a, \
            machine(name + "-b", "socket=" + link.ends[1], "virtio", B) as b:
        ready(a)
        ready(b)
        if not flaws:
            pings(a, B, 1472)
            a.run("ping -q -c 2 -s 60000 " + B)
        text = both_ways(a, b, not flaws)
        power_off(a)
        report = link.report()
        # The other machine only loses its link.
        b.run("sleep 0.3; [ $(cat /sys/class/net/eth0/carrier) = 0 ]")
        power_off(b)
    return text + (", " + report if flaws else "")


def qemu():
    """The protocol of QEMU's -netdev stream, judged by QEMU."""
    where = path("qemu.sock")
    kernel = KERNELS["virtio"]
    words = command(path(kernel), path(kernel + ".cpio"), "console=ttyS0 quiet panic=-1 net.address=" + B,
                    memory="192M", kind="tcg")
    words += ["-netdev", "stream,id=n,server=on,addr.type=unix,addr.path=" + where,
              "-device", "virtio-net-pci,netdev=n"]
    with suite.start("qemu-b", unprivileged() + words) as b:
        for _ in range(100):
            if os.path.exists(where):
                break
            time.sleep(0.1)
        with machine("qemu-a", "socket=" + where, "virtio", A) as a:
            ready(a)
            ready(b, 120)
            text = both_ways(a, b)
            power_off(a)
        power_off(b)
    return text


def switch(device):
    name = "switch=net-test-%d" % os.getpid()
    env = dict(os.environ)
    env["XDG_RUNTIME_DIR"] = path("run")
    with machine("switch-%s-a" % device, name, device, A, env=env) as a, \
            machine("switch-%s-b" % device, name, "virtio", B, env=env, reboot=True) as b, \
            machine("switch-%s-c" % device, name, "virtio", C, env=env) as c:
        for guest in (a, b, c):
            ready(guest)
        c.run("ping -q -c 2 %s && ping -q -c 2 %s" % (A, B))
        text = both_ways(a, b)
        serve(c)
        client(a, "udp", C, 7, 1, 1472, 101)
        power_off(c)
        client(a, "tcp", B, 7, BYTES // 4)
        b.type("reboot -f\n")
        ready(b)
        serve(b)
        client(a, "tcp", B, 7, BYTES // 4)
        power_off(b)
        power_off(a)
    where = os.path.join(path("run"), "ring3", name[7:] + ".sock")
    for _ in range(100):
        if not os.path.exists(where):
            return text
        time.sleep(0.1)
    raise Failure("the switch stays when its last machine has gone")


os.makedirs(path("run"), exist_ok=True)
if os.getuid() == 0:
    os.chown(path("run"), 65534, 65534)
for card in DEVICES:
    test("socket/" + card, cable, card)
    test("socket/flawed/" + card, cable, card, "drop=1", "duplicate=1", "reorder=3")
    test("switch/" + card, switch, card)
if shutil.which("qemu-system-x86_64"):
    test("socket/qemu", qemu)
else:
    skip("socket/qemu", "there is no qemu-system-x86_64")
end()
