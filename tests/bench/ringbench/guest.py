# SPDX-License-Identifier: MIT
"""Machines under test: kernels, initramfs, starting one on ring3 or QEMU TCG, sampling it.

All rows of a table run the same kernel.  With the paravirtual one (make pv-guest), which boots
everywhere and has all drivers built in, there are PV rows; with any other there are none.
"""
import os
import signal
import tempfile
import time

from . import counters, host
import machine as machines  # tests/boot, found by way of host

Failure = machines.Failure
STOCK = ("cloud", "generic", "rt", "6.12-cloud", "6.12-generic", "6.12-rt")
DRIVERS = ["virtio_pci", "virtio_blk", "virtio_net", "ata_piix", "sd_mod", "e1000"]

# Process 1.  What a benchmark does there comes behind it.
INIT = """#!/bin/busybox sh
# SPDX-License-Identifier: MIT
export PATH=/bin HOME=/ TERM=dumb
mount -t devtmpfs none /dev
exec 0<>/dev/console 1>&0 2>&0
echo "@@init"
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
mkdir -p /dev/shm
mount -t tmpfs none /dev/shm
ip link set lo up 2>/dev/null
stty -echo -onlcr cols 500 2>/dev/null
dmesg -n 1
"""
END = "poweroff -f\n"


def remove(path):
    """If it is there."""
    if os.path.exists(path):
        os.unlink(path)


class Kernel:
    """name: for the reader; path; pv: with PV rows; modules: where a stock kernel's lie."""

    def __init__(self, name, path, pv, modules):
        self.name, self.path, self.pv, self.modules = name, path, pv, modules


def pv_kernel():
    """The paravirtual kernel, or None."""
    for place in (host.BUILD, os.path.join(host.ROOT, "build"), host.ROOT):
        path = os.path.join(place or "", "pv-guest/vmlinuz")
        if place and os.path.exists(path):
            return Kernel("PV kernel", path, True, None)
    return None


def stock_kernel(name):
    ready = os.path.join(host.READY_KERNELS, name, "vmlinuz")
    kernels = host.READY_KERNELS
    if not host.writable(kernels):  # somebody else's: as it is, or one of our own
        kernels = os.path.join(host.WORK, "kernels")
    if kernels == host.READY_KERNELS or not os.path.exists(ready):
        ready = host.tool("fetch-kernel", name, kernels).split("\n")[-1]
    return Kernel("Debian's %s kernel" % name, ready, False, os.path.dirname(ready))


def find_kernel(option, fallback):
    """--kernel: a stock kernel's name, "pv", a file; None: the PV kernel, or the stock one named."""
    if option in STOCK:
        return stock_kernel(option)
    if option and option != "pv":
        if not os.path.exists(option):
            raise host.Unavailable(
                "there is no kernel %s; give a file, pv, or one of %s" % (option, ", ".join(STOCK))
            )
        return Kernel(os.path.basename(option), os.path.abspath(option), True, None)
    found = pv_kernel()
    if found:
        return found
    if option == "pv":
        raise host.Unavailable("the PV kernel is not built; make pv-guest builds it")
    return stock_kernel(fallback)


def initramfs(out, body, files=(), kernel=None):
    """An initramfs whose process 1 runs `body`, with files FILE:PATH and the kernel's drivers."""
    with tempfile.TemporaryDirectory() as scratch:
        init = os.path.join(scratch, "init")
        with open(init, "w", encoding="ascii") as f:
            f.write(INIT + body)
        os.chmod(init, 0o755)
        files = [init + ":init"] + list(files)
        if kernel and kernel.modules:
            files += host.tool("kernel-modules", kernel.modules, scratch, *DRIVERS).split()
        host.tool("make-initramfs", out, *files)
    return out


def disk_words(kind, file, device, cache, index=0):
    """file: a path, or "null=SIZE"."""
    if kind == "ring3":
        return [
            "--disk",
            "%s,device=%s%s"
            % (
                file if file.startswith("null=") else "file=" + file,
                device,
                "" if file.startswith("null=") else ",cache=" + cache,
            ),
        ]
    if file.startswith("null="):
        drive = "driver=null-co,size=%d,if=none,id=b%d" % (int(file[5:]), index)
    else:
        drive = "file=%s,format=raw,if=none,id=b%d,cache=%s,aio=io_uring,file.locking=off" % (
            file,
            index,
            cache,
        )
    return [
        "-drive",
        drive,
        "-device",
        "virtio-blk-pci,drive=b%d,disable-legacy=on" % index
        if device == "virtio"
        else "ide-hd,drive=b%d,bus=ide.0,unit=%d" % (index, index),
    ]


def net_words(kind, device):
    """A card on the tap bench0."""
    if kind == "ring3":
        return ["--net", "tap=bench0,device=%s" % device]
    return [
        "-netdev",
        "tap,id=n,ifname=bench0,script=no,downscript=no,vhost=off",
        "-device",
        "virtio-net-pci,netdev=n,disable-legacy=on" if device == "virtio" else "e1000,netdev=n",
    ]


class Guest:
    """A machine that runs; `log` gets its console."""

    def __init__(self, log, kind, kernel, initrd, pv="none", devices=(), append="", memory="512M", prefix=()):
        self.kind = kind
        self.stats = log + ".stats"
        self.snapshot = 0
        words = machines.command(
            kernel.path, initrd, ("console=ttyS0 quiet panic=-1 " + append).strip(), kind=kind, memory=memory
        )
        if kind == "ring3":
            words += ["--pv", pv, "--stats=" + self.stats]
        elif any(word.startswith("tap,") for word in devices):
            at = words.index("-nic")
            words[at : at + 2] = []
        self.started = time.monotonic()
        self.machine = machines.Machine(
            list(prefix) + words + list(devices), log, preexec=host.bound(signal.SIGTERM)
        )
        self.expect, self.type, self.run = self.machine.expect, self.machine.type, self.machine.run

    def shell(self, seconds=120):
        """Until the shell of process 1 that was started with PS1=guest: can be typed at."""
        self.expect("guest:", seconds)
        self.type("stty -echo -onlcr cols 500\n")
        self.expect("guest:", 30)

    def counters(self):
        """The counters now; None: this machine has none."""
        if self.kind != "ring3" or self.machine.process.poll() is not None:
            return None
        self.machine.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                values, number = counters.read(self.stats)
                if number > self.snapshot:
                    self.snapshot = number
                    return values
            except OSError:
                pass
            time.sleep(0.001)
        return None

    def sample(self):
        return Sample(host.cpu_seconds(self.machine.process.pid), self.counters())

    def end(self):
        """By itself if it is at its shell, else by force; nothing stays behind."""
        try:
            self.type(END)
            self.machine.wait(10)
        except (Failure, OSError):
            pass
        self.machine.end()
        remove(self.stats)


class Sample:
    """What had been used up at one moment."""

    def __init__(self, cpu, values=None):
        self.at, self.cpu, self.values = time.monotonic(), cpu, values

    def until(self, later):
        """Seconds, CPU seconds and counters between two samples."""
        delta = counters.difference(self.values, later.values) if self.values and later.values else None
        return later.at - self.at, max(later.cpu - self.cpu, 0), delta
