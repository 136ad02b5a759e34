# SPDX-License-Identifier: MIT
# What the programs of this folder share: the work directory that tests/net/run prepared, machines
# with network cards, a server on the host, verdicts.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "boot"))
sys.dont_write_bytecode = True
from machine import Failure, command, unprivileged  # noqa: E402,F401
from suite import Suite, free_port  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
suite = Suite("net")
path, test, skip, end = suite.path, suite.test, suite.skip, suite.end
# Which kernel drives which card: the cloud kernel has no e1000.
KERNELS = {"virtio": "cloud", "e1000": "generic", "pv": "pv"}
DEVICES = os.environ.get("NET_DEVICES", "virtio e1000").split()


def words(net, device="virtio", address=None, reboot=False, extra=()):
    """The command line of a machine with one card."""
    kernel = KERNELS[device]
    append = "console=%s quiet panic=-1" % ("hvc0" if device == "pv" else "ttyS0")
    append += " net.address=" + address if address else ""
    extra = (["--pv", "ring3"] if device == "pv" else []) + list(extra)
    return command(path(kernel), path(kernel + ".cpio"), append, memory="192M", reboot=reboot,
                   extra=["--net", "%s,device=%s" % (net, device)] + extra)


def machine(name, net, device="virtio", address=None, env=None, reboot=False, path_variable=None, extra=()):
    """A machine of nobody's, started; its console is kept under the name."""
    prefix = ["/usr/bin/env", "PATH=" + path_variable] if path_variable else []
    return suite.start(name, unprivileged() + prefix + words(net, device, address, reboot, extra), env=env)


def ready(guest, seconds=60):
    """Its card is up: the address it has."""
    found = guest.expect(r"net: (failed[^\r\n]*|address (\S+))", seconds)
    if found.group(2) is None:
        raise Failure(found.group(1).decode())
    guest.expect(r"guest:", 20)
    return found.group(2).decode()


def power_off(guest):
    guest.type("exit\n")
    if guest.wait(30) != 0:
        raise Failure("the machine ended with status %s: %s" % (guest.process.returncode, guest.tail()))


class Server:
    """tests/net/endpoint.c, echoing at a port of the host, under a prefix of command words."""
    def __init__(self, port=None, prefix=()):
        self.port = port or free_port()
        self.process = subprocess.Popen(list(prefix) + [path("endpoint"), "serve", str(self.port)],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if b"serving" not in self.process.stdout.readline():
            raise Failure("the host's server does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def host(*arguments, seconds=120, prefix=()):
    """endpoint as a client on the host; what it says."""
    done = subprocess.run(list(prefix) + [path("endpoint")] + [str(a) for a in arguments], timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise Failure("on the host: " + done.stdout.decode().strip())
    return done.stdout.decode().strip()


def client(guest, *arguments, seconds=120):
    """endpoint as a client in a guest."""
    return guest.run("/endpoint " + " ".join(str(a) for a in arguments), seconds)


def serve(guest, port=7):
    guest.run("/endpoint serve %d >/tmp/server 2>&1 & sleep 0.2; grep -q serving /tmp/server" % port)


def pings(guest, to, top):
    """Every size, five hundred at a time so that a stuck one is noticed."""
    for first in range(0, top + 1, 500):
        last = min(first + 499, top)
        guest.run("for s in $(seq %d %d); do ping -q -c 1 -W 2 -s $s %s >/tmp/ping || "
                  "ping -q -c 3 -W 2 -s $s %s >/tmp/ping || { echo size $s; cat /tmp/ping; break; }; done; "
                  "[ $s = %d ]" % (first, last, to, to, last), 120)


def rate(text):
    return text.split(", ")[-1]
