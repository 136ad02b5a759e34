#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# --net user without privileges: by passt and by ring3-slirp, each where the other is not to be found.
# The guest gets an address, opens connections to the host, is reached by hostfwd, before and after a
# reboot.
import concurrent.futures
import os
import re
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
# What passt's socket takes at once.  What it does not take is lost, and an older passt may never get
# over that (docs/decisions/0006-network.md).
BYTES = {"passt": 200000, "slirp": 4000000}
BOTH = machine_module.RING3
ALONE = net.path("alone/ring3")      # without ring3-slirp beside it


def have(helper):
    if helper == "passt":
        return any(os.access(os.path.join(d, "passt"), os.X_OK) for d in os.environ["PATH"].split(":"))
    return os.access(net.path("ring3-slirp"), os.X_OK)


def user_machine(name, helper, where, device="virtio", **how):
    """A machine that finds this helper alone."""
    machine_module.RING3 = ALONE if helper == "passt" else BOTH
    return machine(name, where, device, path_variable="/nonexistent" if helper == "slirp" else None, **how)


def check(guest, server, tcp_port, udp_port, sizes, bytes_each):
    text = rate(client(guest, "tcp", "10.0.2.2", server.port, bytes_each))
    client(guest, "udp", "10.0.2.2", server.port, *sizes)
    serve(guest)
    text += " out, %s in" % rate(host("tcp", "127.0.0.1", tcp_port, bytes_each))
    host("udp", "127.0.0.1", udp_port, *sizes)
    return text


def user(helper, device):
    tcp_port, udp_port = free_port(), free_port()
    where = "user,hostfwd=tcp:127.0.0.1:%d-:7,hostfwd=udp:127.0.0.1:%d-:7" % (tcp_port, udp_port)
    with Server() as server, user_machine("user-%s-%s" % (helper, device), helper, where, device,
                                          reboot=True) as guest:
        if ready(guest) != "10.0.2.15":
            raise Failure("another address than 10.0.2.15")
        text = check(guest, server, tcp_port, udp_port, (1, 1472, 1), BYTES[helper])
        if helper == "slirp":       # passt takes no fragments
            client(guest, "udp", "10.0.2.2", server.port, 1473, 16000, 997)
        guest.type("reboot -f\n")
        ready(guest)
        check(guest, server, tcp_port, udp_port, (1, 1472, 101), BYTES[helper])
        power_off(guest)
    return text


def parallel():
    """Eight connections at once, out and in."""
    port = free_port()
    size = 16000000
    with Server() as server, user_machine("user-parallel", "slirp",
                                          "user,hostfwd=tcp:127.0.0.1:%d-:7" % port) as guest:
        ready(guest)
        said = guest.run("for i in 1 2 3 4 5 6 7 8; do /endpoint tcp 10.0.2.2 %d %d >/tmp/out$i & p=\"$p $!\"; "
                         "done; wait $p; cat /tmp/out*" % (server.port, size), 120)
        serve(guest)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            said += "\n" + "\n".join(pool.map(lambda _: host("tcp", "127.0.0.1", port, size), range(8)))
        if len(re.findall("^tcp ok", said, re.M)) != 16:
            raise Failure(said)
        power_off(guest)


def choice():
    """A recent passt goes first, an older one or one that does not say its age comes after ring3-slirp."""
    bin_path = net.path("choice")
    os.makedirs(bin_path)
    machine_module.RING3 = BOTH
    for number, (version, asked) in enumerate((("0.0~git20250503.587980c-2", True), ("2026_01_31.0123abc", True),
                                               ("0.0~git20230309.7c7625d-1", False), ("unknown version", False))):
        with open(os.path.join(bin_path, "passt"), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n[ \"$1\" != --version ] || { echo passt '%s'; echo Copyright; exit; }\n"
                    "echo is asked >&2\nexit 1\n" % version)
        os.chmod(f.name, 0o755)
        with machine("user-choice-%d" % number, "user",
                     path_variable=bin_path + ":" + os.environ["PATH"]) as guest:
            if ready(guest) != "10.0.2.15":
                raise Failure("no address from the helper that is left")
            with open(net.suite.log_of("user-choice-%d" % number), "rb") as f:
                if (b"passt does not start (is asked)" in f.read()) != asked:
                    raise Failure("passt %s was %sasked" % (version, "not " if asked else ""))


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
    with user_machine("user-%s-killed" % helper, helper, where) as guest:
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
    with user_machine("user-%s-alone" % helper, helper, where) as guest:
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
    machine_module.RING3 = ALONE
    refused("nothing", "user", "apt-get install passt", "/nonexistent")


os.makedirs(os.path.dirname(ALONE))
shutil.copy(BOTH, ALONE)
for one in HELPERS:
    for card in DEVICES:
        if have(one):
            test("user/%s/%s" % (one, card), user, one, card)
        else:
            skip("user/%s/%s" % (one, card), "there is no " + one)
    if have(one) and "virtio" in DEVICES:
        test("user/%s/killed" % one, killed, one)
if "slirp" in HELPERS and have("slirp") and "virtio" in DEVICES:
    test("user/parallel", parallel)
    test("user/choice", choice)
test("refusals", refusals)
end()
