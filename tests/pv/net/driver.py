#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The paravirtual card's driver (pv-guest/drivers/pvnet*.c): what can be set while traffic runs, the
# driver taken away and given back, the device pulled out, calls that fail, sleep.  Called by
# tests/net/run with NET_DEVICES=pv, which also runs the tests that all cards have.
#
#   driver.py [TEST]...	some tests only: settings offloads jumbo filter full rebind unplug
#				sleep kicks failing
import os
import re
import signal
import subprocess
import sys

NET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "net")
sys.path.insert(0, NET)
from net import (Failure, Server, client, end, free_port, machine, path, power_off, rate, ready,  # noqa: E402
                 serve, test)
from suite import monitor, wants  # noqa: E402

BYTES = 4000000
A, B = "192.168.7.2", "192.168.7.3"
HOST, GUEST = "10.0.2.2", "10.0.2.15"
BUS = "/sys/bus/ring3/drivers/ring3_net"
COMPLAINTS = "BUG:|WARNING:|Oops|Call Trace|stall|soft lockup|hung task|NETDEV WATCHDOG"


def check_log(guest):
    text = guest.run("dmesg | grep -E '%s' | head -n 3; true" % COMPLAINTS)
    if text:
        raise Failure("the kernel complains: " + text)


def finish(guest):
    check_log(guest)
    power_off(guest)


def stats(guest):
    return {name: int(value) for name, value in
            (line.split() for line in guest.run("/nic eth0 stats").split("\n"))}


def address(guest):
    """After the card came back: what udhcpc had set."""
    guest.run("ip link set eth0 up && ip addr add %s/24 dev eth0" % GUEST)


def alone(name, extra=()):
    """A machine with the host behind its card."""
    return machine("pv-" + name, "user", "pv", GUEST, extra=extra)


def pair(name, extra=()):
    """Two of them on a switch of their own; extra words are the first one's."""
    env = dict(os.environ)
    env["XDG_RUNTIME_DIR"] = path("run-pv")
    os.makedirs(path("run-pv"), exist_ok=True)
    if os.getuid() == 0:
        os.chown(path("run-pv"), 65534, 65534)
    where = "switch=pv-%s-%d" % (name, os.getpid())
    return [machine("pv-%s-%s" % (name, n), where, "pv", ip, env=env, extra=words)
            for n, ip, words in (("a", A, extra), ("b", B, ()))]


def serving(*guests):
    """Their cards are up, and each echoes."""
    for guest in guests:
        ready(guest)
    for guest in guests:
        serve(guest)


def exchange(guest, server, size=BYTES):
    return rate(client(guest, "tcp", HOST, server.port, size))


def background(guest, server):
    """TCP connections one after the other, until stop(); those that break are begun again."""
    guest.run("rm -f /tmp/stop /tmp/done; (while [ ! -e /tmp/stop ]; do "
              "timeout 20 /endpoint tcp %s %d 3000000 >>/tmp/traffic 2>&1 || sleep 0.1; done; >/tmp/done) &"
              % (HOST, server.port))


def stop(guest):
    guest.run(">/tmp/stop; for i in $(seq 1 300); do [ -e /tmp/done ] && break; sleep 0.1; done; [ -e /tmp/done ]")
    wants("wrong" not in guest.run("cat /tmp/traffic; true"), "wrong data")


# ---- what can be set

def settings():
    with Server() as server, alone("settings") as guest:
        ready(guest)
        wants(re.fullmatch(r"driver ring3_net bus ring3-\d+ link 1 speed \d+ duplex [01]",
                           guest.run("/nic eth0 info")), "info: " + guest.run("/nic eth0 info"))
        background(guest, server)
        for rx, tx in ((16, 16), (1, 1), (128, 2), (2, 256), (256, 256)):
            guest.run("/nic eth0 ring %d %d" % (rx, tx))
            wants(guest.run("/nic eth0 ring") == "%d %d" % (rx, tx), "ring sizes are not as set")
            exchange(guest, server, 200000 if rx == 1 else 1000000)
        for rx, tx in ((3, 256), (512, 256), (0, 16), (256, 100000)):
            wants("failed" in guest.run("/nic eth0 ring %d %d" % (rx, tx), check=False), "ring %d %d" % (rx, tx))
        for copybreak in (0, 1, 4096, 256):
            guest.run("/nic eth0 copybreak %d" % copybreak)
            exchange(guest, server, 1000000)
        for _ in range(5):
            # (What has been reset does not write to memory that is somebody else's by now.)
            guest.run("ip link set eth0 down; [ $(cat /sys/bus/ring3/devices/ring3-0/status) = 0 ] && "
                      "ip link set eth0 up")
            exchange(guest, server, 1000000)
        stop(guest)
        before = stats(guest)
        text = exchange(guest, server)
        after = stats(guest)
        for name in ("tx0_packets", "rx0_packets", "tx0_kicks", "rx0_interrupts"):
            wants(after[name] > before[name], name + " does not count")
        wants(after["tx0_bytes"] - before["tx0_bytes"] >= BYTES, "tx0_bytes")
        for name in ("kick_errors", "drops", "length_errors", "header_errors"):
            wants(not after["rx0_" + name] if "rx0_" + name in after else True, "rx0_%s: %s" % (name, after))
        wants(not after["recoveries"] and not after["tx0_drops"], str(after))
        # The interface's counters are the driver's.
        line = guest.run("ping -c 1 -W 1 %s >/tmp/p; sleep 0.2; /nic eth0 stats | grep -E '^[rt]x0_packets'; "
                         "cat /sys/class/net/eth0/statistics/[rt]x_packets" % HOST).split()
        wants([line[1], line[3]] == line[4:], " ".join(line))
        finish(guest)
    return text


def offloads():
    """Every offload off and on again, alone, with data both ways."""
    # (In this order each can be turned on, needing only those before it.)
    names = ("tx-checksum-ip-generic", "tx-scatter-gather", "tx-tcp-segmentation", "tx-tcp6-segmentation",
             "tx-generic-segmentation", "rx-checksum", "rx-gro", "rx-gro-hw")
    a, b = pair("offloads")
    with a, b:
        serving(a, b)
        offered = [n for n in names if a.run("/nic eth0 feature " + n) == "on"]
        wants({"tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-scatter-gather"} <= set(offered),
              "on at first: " + " ".join(offered))
        for state in ("off", "on"):
            for i, name in enumerate(offered):
                for guest in (a, b) if i % 2 else (b, a):
                    guest.run("/nic eth0 feature %s %s" % (name, state))
                    client(guest, "tcp", A if guest is b else B, 7, 500000)
            client(a, "udp", B, 7, 1, 1472, 97)
        text = rate(client(a, "tcp", B, 7, BYTES))
        finish(a)
        finish(b)
    return "%s; %s" % (" ".join(offered), text)


def jumbo():
    a, b = pair("jumbo")
    with a, b:
        serving(a, b)
        texts = []
        for mtu in (576, 1500, 4000, 9000, 65535):
            for guest in (a, b):
                guest.run("ip link set eth0 mtu %d" % mtu)
            texts.append("%d: %s" % (mtu, rate(client(a, "tcp", B, 7, BYTES // 2))))
            client(b, "tcp", A, 7, BYTES // 2)
            # Around what a frame, and what a buffer, holds.
            top = min(mtu, 65535) - 28
            client(a, "udp", B, 7, max(top - 40, 1), top, 1)
            client(b, "udp", A, 7, 1, top, max(top // 60, 1))
        for guest in (a, b):
            wants(stats(guest)["rx0_merged"] > 100, "no frames in more than one buffer")
        wants("can" in a.run("ip link set eth0 mtu 65536 2>&1", check=False) or
              a.run("cat /sys/class/net/eth0/mtu") == "65535", "an MTU of 65536")
        a.run("ip link set eth0 mtu 1500")
        b.run("ip link set eth0 mtu 1500")
        # Every length of frame that Ethernet has, and what is shorter than any.
        lengths(a, b, 15, 1514, 1)
        a.run("ip link set eth0 mtu 9000")
        lengths(a, b, 1515, 9014, 7)
        finish(a)
        finish(b)
    return ", ".join(texts)


def lengths(a, b, first, last, step):
    """A frame of each length, a few at a time: a switch drops what is too much."""
    before, sent = stats(b)["rx0_packets"], 0
    for start in range(first, last + 1, 50 * step):
        stop_at = min(start + 49 * step, last)
        a.run("/nic eth0 frames %d %d %d" % (start, stop_at, step))
        sent += (stop_at - start) // step + 1
    b.run("sleep 0.3")
    got = stats(b)["rx0_packets"] - before
    wants(got >= sent, "%d of %d frames of %d to %d bytes came" % (got, sent, first, last))


def filters():
    """Addresses, modes and VLANs that the device is told by the control queue."""
    a, b = pair("filter")
    with a, b:
        ready(a)
        ready(b)
        a.run("ping -q -c 1 -W 2 " + B)
        b.run("ip link set eth0 address 02:00:00:00:00:42")
        a.run("ip neigh flush dev eth0; arp -d %s 2>/dev/null; ping -q -c 2 -W 2 %s" % (B, B))
        wants("02:00:00:00:00:42" in a.run("ip neigh show " + B), "the new address is not used")
        # Kept over down and up, and over new rings.
        b.run("ip link set eth0 down; ip link set eth0 up; /nic eth0 ring 64 64")
        a.run("ping -q -c 2 -W 2 " + B)

        # A frame to somebody else comes only in promiscuous mode.
        def others():
            a.run("arp -s 192.168.7.9 02:00:00:00:00:99 -i eth0; ping -q -c 3 -W 1 -i 0.1 192.168.7.9; true")
            before = stats(b)["rx0_packets"]
            a.run("ping -q -c 5 -W 1 -i 0.1 192.168.7.9; true")
            return stats(b)["rx0_packets"] - before
        # (The switch learns: an address that nobody has sent from goes everywhere.)
        wants(others() < 5, "frames for others are received")
        b.run("ip link set eth0 promisc on")
        wants(others() >= 5, "promiscuous mode receives no frames for others")
        b.run("ip link set eth0 promisc off")
        wants(others() < 5, "frames for others are received after promiscuous mode")

        for guest, ip in ((a, "192.168.8.2"), (b, "192.168.8.3")):
            guest.run("ip link add link eth0 name v5 type vlan id 5 && ip addr add %s/24 dev v5 && "
                      "ip link set v5 up" % ip)
        a.run("ping -q -c 2 -W 2 192.168.8.3 && ping -q -c 2 -W 2 -s 1472 192.168.8.3")
        serve(b)
        client(a, "tcp", "192.168.8.3", 7, BYTES // 4)
        # The table of VLANs outlives a reset.
        b.run("ip link set eth0 down; ip link set eth0 up; ip link set v5 up; sleep 0.2")
        a.run("ping -q -c 2 -W 2 192.168.8.3")
        b.run("ip link del v5")
        before = stats(b)["rx0_packets"]
        a.run("ping -q -c 3 -W 1 -i 0.1 192.168.8.3; true")
        wants(stats(b)["rx0_packets"] - before < 3, "frames of a VLAN that is no more")
        a.run("ping -q -c 2 -W 2 " + B)
        finish(a)
        finish(b)


def full():
    """A network that takes nothing for a while: all goes out later, though nobody sends any more."""
    ends = [path("full.a"), path("full.b")]
    link = subprocess.Popen([sys.executable, os.path.join(NET, "link.py")] + ends, stdout=subprocess.PIPE)
    try:
        wants(link.stdout.readline() == b"ready\n", "the cable does not start")
        with machine("pv-full", "socket=" + ends[0], "pv", A) as guest:
            ready(guest)
            guest.run("/nic eth0 ring 256 16")
            os.kill(link.pid, signal.SIGSTOP)
            guest.run("(for i in 1 2 3; do /nic eth0 frames 60 1514 1; done; >/tmp/sent) >/tmp/frames & sleep 1.5; "
                      "[ ! -e /tmp/sent ]")
            before = stats(guest)
            os.kill(link.pid, signal.SIGCONT)
            guest.run("for i in $(seq 1 100); do [ -e /tmp/sent ] && break; sleep 0.1; done; [ -e /tmp/sent ] && "
                      "sleep 0.3", 30)
            after = stats(guest)
            wants(after["tx0_packets"] >= 3 * 1455 and after["tx0_interrupts"] > before["tx0_interrupts"],
                  "%(tx0_packets)d packets, %(tx0_interrupts)d interrupts" % after)
            finish(guest)
    finally:
        link.kill()
        link.wait()
        link.stdout.close()
    return "%d packets at first, then %d" % (before["tx0_packets"], after["tx0_packets"])


# ---- the driver, the device

def rebind():
    """The driver taken away and given back, again and again, while data flows."""
    rounds = 12
    with Server() as server, alone("rebind") as guest:
        ready(guest)
        background(guest, server)
        guest.run("cd %s; for i in $(seq 1 %d); do echo ring3-0 >unbind; "
                  "[ ! -e /sys/class/net/eth0 ] || { echo still there; exit 1; }; echo ring3-0 >bind; "
                  "ip link set eth0 up && ip addr add %s/24 dev eth0; sleep 0.$((i %% 5)); done; cd /"
                  % (BUS, rounds, GUEST), 120)
        stop(guest)
        text = exchange(guest, server)
        # What a thousand of these would fill: memory and events.
        before = int(guest.run("grep MemFree /proc/meminfo").split()[1])
        guest.run("cd %s; for i in $(seq 1 100); do echo ring3-0 >unbind; echo ring3-0 >bind; "
                  "ip link set eth0 up; done; cd /" % BUS, 120)
        guest.run("sleep 0.5")
        lost = before - int(guest.run("grep MemFree /proc/meminfo").split()[1])
        wants(lost < 8192, "%d KiB lost in 100 rounds" % lost)
        guest.run("ip addr add %s/24 dev eth0" % GUEST)
        exchange(guest, server)
        finish(guest)
    return "%s, %d KiB" % (text, lost)


def gone(guest, index):
    """The device is not there any more, nor what was made of it."""
    guest.run("for i in $(seq 1 200); do [ -e /sys/bus/ring3/devices/ring3-%d ] || break; sleep 0.05; done; "
              "[ ! -e /sys/bus/ring3/devices/ring3-%d ] && [ ! -e /sys/class/net/eth%d ] && "
              "dmesg | grep -q 'ring3-%d: is gone'" % (index, index, index, index))


def unplug():
    """Pulled out while it does nothing, and while data flows both ways over it."""
    port = free_port()
    with Server() as server, alone("unplug", ["--net", "null,device=pv", "--gdb", str(port)]) as guest:
        ready(guest)
        guest.run("ip link set eth1 up; ip link set eth1 down")
        said = monitor(port, "unplug 1")
        wants("removed" in said, "unplug 1: " + said)
        gone(guest, 1)
        guest.run("[ ! -e /sys/class/net/eth1 ] && [ -e /sys/class/net/eth0 ]")
        exchange(guest, server, 500000)
        background(guest, server)
        guest.run("while [ ! -s /tmp/traffic ]; do sleep 0.05; done", 20)
        said = monitor(port, "unplug 0")
        wants("removed" in said, "unplug 0: " + said)
        gone(guest, 0)
        # Whoever used it hears of it: nothing hangs.
        guest.run("ip link set eth0 up 2>&1 | grep -q 'can.t find' ; ls /sys/class/net | grep -q eth && exit 1; true")
        guest.run(">/tmp/stop; killall endpoint; true")   # it would try to send for minutes
        stop(guest)
        finish(guest)


def sleeps():
    """Devices suspended and resumed, with a connection on which data flows."""
    with Server() as server, alone("sleep") as guest:
        ready(guest)
        guest.run("echo 1 >/sys/module/suspend/parameters/pm_test_delay; echo devices >/sys/power/pm_test")
        for i in (1, 2):
            guest.run("before=$(cat /sys/class/net/eth0/statistics/tx_packets); rm -f /tmp/out; "
                      "/endpoint tcp %s %d 80000000 >/tmp/out 2>&1 & before=$(cat /sys/class/net/eth0/statistics/"
                      "tx_packets); while [ $(cat /sys/class/net/eth0/statistics/tx_packets) -lt $((before + 100)) ]; "
                      "do :; done; echo freeze >/sys/power/state; pidof endpoint >/dev/null || "
                      "{ echo not in time; cat /tmp/out; false; }" % (HOST, server.port), 60)
            # (A peer that got no answer tries again ever later.)
            guest.run("for i in $(seq 1 600); do pidof endpoint >/dev/null || break; sleep 0.1; done; "
                      "grep 'tcp ok' /tmp/out", 70)
            wants(guest.run("dmesg | grep -c 'PM: suspend exit'") == str(i), "it did not sleep")
        guest.run("ip link set eth0 down; echo freeze >/sys/power/state; ip link set eth0 up")
        text = exchange(guest, server)
        finish(guest)
    return text


# ---- calls that fail

def failing(call, errno, often):
    """Now and then: it works in the end.  Always: nothing hangs, and the machine can go."""
    with Server() as server, alone("failing-%s-%s" % (call, often.strip("%")),
                                   ["--abi", "fail=%s:%s:%s" % (call, errno, often)]) as guest:
        guest.expect(r"guest:", 60)
        if often != "1":
            guest.run("for i in $(seq 1 40); do "
                      "[ -e /sys/class/net/eth0 ] || { echo ring3-0 >%s/bind; sleep 0.05; continue; }; "
                      "ip link set eth0 up && ip addr flush dev eth0 && ip addr add %s/24 dev eth0 && break; "
                      "sleep 0.05; done 2>/dev/null; ip link set eth0 up" % (BUS, GUEST), 60)
            exchange(guest, server, 1000000)
            background(guest, server)
            for _ in range(5):
                guest.run("ip link set eth0 down; for i in $(seq 1 40); do ip link set eth0 up && break; done "
                          "2>/dev/null; ip link set eth0 up", 60)
            stop(guest)
            text = exchange(guest, server, 1000000)
        else:
            guest.run("ip link set eth0 up; ping -c 2 -W 1 %s; ip link set eth0 down; "
                      "echo ring3-0 >%s/unbind; echo ring3-0 >%s/bind; ip link set eth0 up; true" % (HOST, BUS, BUS),
                      60, check=False)
            text = ""
        finish(guest)
    return text


def failing_all():
    """Every call that the driver makes, now and then, with data flowing all the time."""
    calls = ",".join("fail=%s:EIO:3%%" % call for call in CALLS if call != "event_mask")
    with Server() as server, alone("failing-all", ["--abi", calls + ",fail=event_mask:EINVAL:3%,seed=7"]) as guest:
        guest.expect(r"guest:", 60)
        guest.run("for i in $(seq 1 40); do [ -e /sys/class/net/eth0 ] && break; "
                  "echo ring3-0 >%s/bind; sleep 0.05; done 2>/dev/null; "
                  "ip link set eth0 up; ip addr flush dev eth0; ip addr add %s/24 dev eth0" % (BUS, GUEST), 60)
        background(guest, server)
        guest.run("for i in $(seq 1 20); do ip link set eth0 down; ip link set eth0 up; /nic eth0 ring $((8 << i %% 4)) 64; "
                  "ip link set eth0 mtu $((1500 + i)); ip link set eth0 promisc on; ip link set eth0 promisc off; "
                  "done >/dev/null 2>&1; for i in $(seq 1 40); do ip link set eth0 up && break; done; "
                  "ip addr flush dev eth0; ip addr add %s/24 dev eth0; ip link set eth0 mtu 1500" % GUEST, 60)
        stop(guest)
        text = exchange(guest, server, 1000000)
        finish(guest)
    return text


def kicks():
    """
    Kicks of which one in sixteen fails for good: what was not told is told soon after, and a
    control queue that got no answer is set up anew.
    """
    a, b = pair("kicks", ["--abi", "fail=queue_kick:EIO:50%,seed=3"])
    with a, b:
        a.expect(r"guest:", 60)
        ready(b)
        a.run("for i in $(seq 1 100); do ip link set eth0 promisc on; ip link set eth0 promisc off; sleep 0.05; "
              "/nic eth0 stats | grep -q '^recoveries 0$' || break; done; [ $i -lt 100 ]", 60)
        a.run("for i in $(seq 1 50); do ping -q -c 1 -W 1 %s && break; sleep 0.1; done >/dev/null" % B, 60)
        before = stats(a)["tx0_kick_errors"]
        times = [float(t) for t in re.findall(r"time=(\S+)", a.run("ping -c 120 -i 0.2 -W 2 " + B, 60))]
        errors = stats(a)["tx0_kick_errors"] - before
        slow = len([t for t in times if t > 150])
        wants(errors, "no kick failed")
        wants(len(times) == 120 and slow <= errors / 2,
              "%d kicks failed; %d answers, %d of them late" % (errors, len(times), slow))
        finish(a)
        finish(b)
    return "%d failed, %d late" % (errors, slow)


CALLS = ("device_info", "device_features", "device_status", "device_config", "queue_setup", "queue_kick",
         "event_mask")
GROUPS = {
    "settings": lambda: test("pv/settings", settings),
    "offloads": lambda: test("pv/offloads", offloads),
    "jumbo": lambda: test("pv/jumbo", jumbo),
    "filter": lambda: test("pv/filter", filters),
    "full": lambda: test("pv/full", full),
    "rebind": lambda: test("pv/rebind", rebind),
    "unplug": lambda: test("pv/unplug", unplug),
    "sleep": lambda: test("pv/sleep", sleeps),
}
GROUPS["kicks"] = lambda: test("pv/kicks", kicks)
GROUPS["failing-all"] = lambda: test("pv/failing/all", failing_all)
for call in CALLS:
    for often in ("10%", "1"):
        errno = "EINVAL" if call == "event_mask" else "EIO" if often == "1" else "ENODEV"
        GROUPS["failing-%s-%s" % (call, often.strip("%"))] = \
            lambda call=call, errno=errno, often=often: test("pv/failing/%s/%s" % (call, often), failing,
                                                             call, errno, often)
wanted = sys.argv[1:]
for group, run in GROUPS.items():
    if not wanted or group in wanted or group.split("-")[0] in wanted:
        run()
end()
