#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# --net user without privileges: by passt, and by ring3-slirp where there is no passt.  The guest
# gets an address, opens connections to the host, is reached by hostfwd, before and after a reboot.
import os
import shutil
import signal
import subprocess
import sys
import time

from net import (DEVICES, Failure, Server, client, end, free_port, host, machine, power_off, rate,
                 ready, serve, skip, test, unprivileged)
import machine as machine_module
import net

HELPERS = sys.argv[1:] or ["passt", "slirp"]
BYTES = 4000000


def have(helper):
    if helper == "passt":
        return any(os.access(os.path.join(d, "passt"), os.X_OK) for d in os.environ["PATH"].split(":"))
    return os.access(net.path("ring3-slirp"), os.X_OK)


def check(guest, server, tcp_port, udp_port, sizes):
    text = rate(client(guest, "tcp", "10.0.2.2", server.port, BYTES))
    client(guest, "udp", "10.0.2.2", server.port, *sizes)
    serve(guest)
    text += " out, %s in" % rate(host("tcp", "127.0.0.1", tcp_port, BYTES))
    host("udp", "127.0.0.1", udp_port, *sizes)
    return text


def user(helper, device):
    tcp_port, udp_port = free_port(), free_port()
    where = "user,hostfwd=tcp:127.0.0.1:%d-:7,hostfwd=udp:127.0.0.1:%d-:7" % (tcp_port, udp_port)
    with Server() as server, machine("user-%s-%s" % (helper, device), where, device,
                                     reboot=True,
                                     path_variable="/nonexistent" if helper == "slirp" else None) as guest:
        if ready(guest) != "10.0.2.15":
            raise Failure("another address than 10.0.2.15")
        text = check(guest, server, tcp_port, udp_port, (1, 1472, 1))
        if helper == "slirp":       # passt takes no fragments
            client(guest, "udp", "10.0.2.2", server.port, 1473, 16000, 997)
        guest.type("reboot -f\n")
        ready(guest)
        check(guest, server, tcp_port, udp_port, (1, 1472, 101))
        power_off(guest)
    return text


def processes(port):
    """Helpers that were told this port."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) in (b"passt", b"passt.avx2", b"ring3-slirp") and \
                any(str(port).encode() in word for word in words):
            found.append(pid)
    return found


def killed(helper):
    """ring3 killed: its helper ends.  The helper killed: the card has no link, the machine lives."""
    port = free_port()
    where = "user,hostfwd=tcp:127.0.0.1:%d-:7" % port
    slirp = "/nonexistent" if helper == "slirp" else None
    with machine("user-%s-killed" % helper, where, path_variable=slirp) as guest:
        ready(guest)
        if len(processes(port)) != 1:
            raise Failure("the helper is not found: %s" % processes(port))
        guest.kill()
        for _ in range(50):
            if not processes(port):
                break
            time.sleep(0.1)
        else:
            raise Failure("the helper outlives ring3")
    with machine("user-%s-alone" % helper, where, path_variable=slirp) as guest:
        ready(guest)
        os.kill(int(processes(port)[0]), signal.SIGKILL)
        guest.run("sleep 0.5; [ $(cat /sys/class/net/eth0/carrier) = 0 ]; echo lives")
        power_off(guest)


def refused(name, where, said, path_variable=None):
    """One sentence, and status 1."""
    prefix = ["/usr/bin/env", "PATH=" + path_variable] if path_variable else []
    done = subprocess.run(unprivileged() + prefix + net.words(where), stdout=subprocess.PIPE, timeout=30,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode().strip()
    if done.returncode != 1 or said not in text or "\n" in text:
        raise Failure("status %d: %s" % (done.returncode, text))


def refusals():
    with Server() as server:
        refused("busy", "user,hostfwd=tcp:127.0.0.1:%d-:7" % server.port, "cannot listen there")
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        low = int(f.read()) > 7
    if low:
        refused("low", "user,hostfwd=tcp:127.0.0.1:7-:7", "below 1024")
    refused("form", "user,hostfwd=tcp:1.2.3.4-:7", "hostfwd=tcp:1.2.3.4-:7 is not")
    refused("socket", "socket=/nonexistent", "cannot connect")
    refused("switch", "switch=a/b", "cannot be the name")
    refused("tap", "tap=nosuchtap0", "tun")
    alone = net.path("alone")
    os.makedirs(alone, exist_ok=True)
    shutil.copy(machine_module.RING3, alone)
    machine_module.RING3 = os.path.join(alone, "ring3")
    refused("nothing", "user", "apt-get install passt", "/nonexistent")


for one in HELPERS:
    for card in DEVICES:
        if have(one):
            test("user/%s/%s" % (one, card), user, one, card)
        else:
            skip("user/%s/%s" % (one, card), "there is no " + one)
    if have(one) and "virtio" in DEVICES:
        test("user/%s/killed" % one, killed, one)
test("refusals", refusals)
end()
