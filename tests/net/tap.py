#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# --net tap=NAME: with a tap that belongs to nobody, in network and mount namespaces of this test's
# own (tests/net/run); the machine runs unprivileged.  Every size of datagram, TCP both ways, with
# offloads, which must really be in use: frames longer than the MTU pass.
import os
import subprocess

from net import DEVICES, Failure, Server, client, end, host, machine, pings, power_off, rate, ready, serve, test

BYTES = 16000000
HOST, GUEST = "192.168.9.1", "192.168.9.2"
# May the host hand the card frames longer than the MTU?
RECEIVES_LONG = {"virtio": True, "e1000": False, "pv": True}


def run(*words):
    subprocess.run(words, check=True)


def prepare():
    """A /dev/net/tun that everybody may open, as distributions have it, and a tap."""
    run("mount", "-t", "tmpfs", "none", "/dev/net")
    run("mknod", "-m", "666", "/dev/net/tun", "c", "10", "200")
    run("mount", "-t", "sysfs", "none", "/sys")     # this namespace's interfaces
    run("ip", "link", "set", "lo", "up")
    run("ip", "tuntap", "add", "mode", "tap", "user", "65534", "name", "t0")
    run("ip", "addr", "add", HOST + "/24", "dev", "t0")
    run("ip", "link", "set", "t0", "up")


def counted(direction):
    """Bytes and frames of the tap, as the host counts them: rx is what the guest sent."""
    found = []
    for what in "bytes", "packets":
        with open("/sys/class/net/t0/statistics/%s_%s" % (direction, what)) as f:
            found.append(int(f.read()))
    return found


def average(direction, before):
    size, frames = (now - then for now, then in zip(counted(direction), before))
    return size / max(frames, 1)


def receive_offloads(guest):
    """Turned off and on while the card runs: the host then hands it shorter frames, or finished ones."""
    for name, state, long in (("rx-gro-hw", "off", False), ("rx-checksum", "off", False),
                              ("rx-checksum", "on", False), ("rx-gro-hw", "on", True)):
        guest.run("/nic eth0 feature %s %s" % (name, state))
        before = counted("tx")
        host("tcp", GUEST, 7, BYTES // 4)
        size = average("tx", before)
        if (size >= 2000) != long:
            raise Failure("with %s %s the guest receives frames of %d bytes" % (name, state, size))


def tap(device):
    with Server(5001) as server, machine("tap-" + device, "tap=t0", device, GUEST) as guest:
        ready(guest)
        pings(guest, HOST, 1472)
        guest.run("ping -q -c 2 -s 60000 " + HOST)
        sent, received = counted("rx"), counted("tx")
        text = rate(client(guest, "tcp", HOST, server.port, BYTES))
        sent, received = average("rx", sent), average("tx", received)
        if sent < 2000:
            raise Failure("the guest sends frames of %d bytes, so no offload is in use" % sent)
        if (received >= 2000) != RECEIVES_LONG[device]:
            raise Failure("the guest receives frames of %d bytes" % received)
        client(guest, "udp", HOST, server.port, 1, 60000, 997)
        serve(guest)
        text += " out, %s in" % rate(host("tcp", GUEST, 7, BYTES))
        if device == "pv":
            receive_offloads(guest)
        host("udp", GUEST, 7, 1, 1472, 1)
        # The host's interface goes down and up again: the machine lives.
        run("ip", "link", "set", "t0", "down")
        guest.run("ping -q -c 1 -W 1 %s; true" % HOST)
        run("ip", "link", "set", "t0", "up")
        guest.run("ping -q -c 3 -W 2 " + HOST)
        power_off(guest)
    return "%s, frames of %d bytes out, %d in" % (text, sent, received)


prepare()
for card in DEVICES:
    test("tap/" + card, tap, card)
end()
