#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# --net user without privileges: by passt, and by ring3-slirp where there is no passt.  The guest
# gets an address, opens connections to the host, is reached by hostfwd, before and after a reboot.
import os
import sys

from net import (DEVICES, Failure, Server, client, end, free_port, host, machine, power_off, rate,
                 ready, serve, skip, test)
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


for one in HELPERS:
    for card in DEVICES:
        if have(one):
            test("user/%s/%s" % (one, card), user, one, card)
        else:
            skip("user/%s/%s" % (one, card), "there is no " + one)
end()
