# SPDX-License-Identifier: MIT
# The groups of tests/pv/run that start machines.  pv.py GROUP
import hashlib
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "boot"))
sys.dont_write_bytecode = True
from machine import command, unprivileged  # noqa: E402
from suite import Suite, wants  # noqa: E402

suite = Suite("pv")
path = suite.path
# Ways to start the one image: console, machine, options.
WAYS = {
    "ring3": ("hvc0", "ring3", ["--pv", "ring3"]),
    "kvm": ("ttyS0", "ring3", ["--pv", "kvm"]),
    "none": ("ttyS0", "ring3", ["--pv", "none"]),
    "qemu": ("ttyS0", "tcg", []),
}


def start(name, initrd, way="ring3", append="", kernel="vmlinuz", extra=(), memory="512M", reboot=False):
    console, kind, options = WAYS[way]
    words = command(path(kernel), path(initrd), "console=%s panic=-1 %s" % (console, append),
                    memory=memory, kind=kind, extra=options + list(extra), reboot=reboot)
    return suite.start(name, unprivileged() + words)


def test(name, function, *arguments):
    suite.test(name, function, name, *arguments)


def shell(machine):
    """To a shell that run() can use."""
    machine.expect(r"guest:\S*# ", 60)
    machine.type("export PS1=gu''est:; stty -echo -onlcr cols 500\n")
    machine.expect(r"guest:", 30)


def ends(machine, status, seconds=30):
    got = machine.wait(seconds)
    wants(got == status, "status %d, not %d: %s" % (got, status, machine.tail()))


# ---- boots: one image everywhere

LINES = "arithmetic pipe data forks memory timers network".split()


def says(text, what):
    found = re.search(r"^pv: %s (.*?)\r?$" % what, text, re.M)
    return found.group(1) if found else ""


def runs_script(name, way, kernel, hypervisor, clocks):
    with start(name, "script.cpio", way, "quiet", kernel) as machine:
        text = machine.expect(r"(?s)^(.*)pv: done", 150 if way == "qemu" else 90).group(1).decode()
        ends(machine, 0)
    missing = [line for line in LINES if "pv: %s ok" % line not in text]
    wants(not missing, "missing: " + " ".join(missing))
    wants(not says(text, "complaint"), says(text, "complaint"))
    wants(says(text, "hypervisor") == hypervisor, "it found " + says(text, "hypervisor"))
    wants(says(text, "clock") == clocks or not clocks, "clock " + says(text, "clock"))
    return "clock " + says(text, "clock")


def group_boots():
    test("boot/ring3", runs_script, "ring3", "vmlinuz", "ring3", "tsc, timer ring3")
    test("boot/ring3-pvh", runs_script, "ring3", "vmlinux", "ring3", "tsc, timer ring3")
    test("boot/kvm", runs_script, "kvm", "vmlinuz", "KVM", "")
    test("boot/none", runs_script, "none", "vmlinuz", "", "")
    test("boot/none-pvh", runs_script, "none", "vmlinux", "", "")
    test("boot/qemu", runs_script, "qemu", "vmlinuz", "", "")


# ---- console: hvc0 both ways

def console(name):
    with start(name, "shell.cpio") as machine:
        shell(machine)
        wants(machine.run("tty") == "/dev/hvc0", "the console is " + machine.run("tty"))
        wants(machine.run("echo $((6 * 7))") == "42", "no arithmetic")
        # Much output, nothing lost or twice.
        text = machine.run("seq 1 20000", 60)
        wants(text.split() == [str(i) for i in range(1, 20001)], "output was mangled")
        # Much input, faster than it is read.
        block = "".join(chr(33 + i % 90) for i in range(60000))
        machine.type("stty raw; echo rea''dy; head -c 60000 | md5sum; stty cooked -echo -onlcr\n")
        machine.expect("ready", 10)
        for i in range(0, len(block), 500):
            machine.type(block[i:i + 500])
        machine.expect(hashlib.md5(block.encode()).hexdigest(), 30)
        machine.expect("guest:", 10)
        # A character that means something.
        machine.type("sleep 100\n")
        time.sleep(0.5)
        machine.type("\x03")
        machine.expect("guest:", 10)
        machine.type("poweroff -f\n")
        ends(machine, 0)


def earlycon(name):
    with start(name, "short.cpio", append="earlycon=ring3 keep_bootcon") as machine:
        machine.expect("Linux version", 30)
        machine.expect(r"bootconsole \[ring3\] enabled", 30)
        machine.expect("started", 30)
        ends(machine, 0)


def group_console():
    test("console/hvc0", console)
    test("console/earlycon", earlycon)


# ---- time

def clock(name, way):
    """The guest's real-time clock is the host's; its monotonic one goes at the host's rate."""
    with start(name, "shell.cpio", way, "quiet") as machine:
        shell(machine)
        readings = []
        for pause in (0, 4):
            time.sleep(pause)
            before = time.time_ns(), time.monotonic_ns()
            real, monotonic = map(int, machine.run("/load clock").split())
            after = time.time_ns(), time.monotonic_ns()
            # (What a clock is set to at boot is the RTC's whole second, without the shared page's.)
            slack = 10e6 if way == "ring3" else 1.5e9
            wants(before[0] - slack <= real <= after[0] + slack,
                  "the guest's time is off by %.3f s" % ((real - before[0]) / 1e9))
            readings.append((before[1], monotonic, after[1]))
        passed = readings[1][1] - readings[0][1]
        least, most = readings[1][0] - readings[0][2], readings[1][2] - readings[0][0]
        wants(0.999 * least <= passed <= 1.001 * most,
              "%.3f s passed in the guest, %.3f to %.3f on the host" % (passed / 1e9, least / 1e9, most / 1e9))
        stolen = int(machine.run("grep '^cpu ' /proc/stat").split()[8])
        uptime = float(machine.run("cat /proc/uptime").split()[0])
        wants(stolen <= uptime * 100 + 1, "%d ticks stolen in %.1f s" % (stolen, uptime))
        idle = int(machine.run("grep '^cpu ' /proc/stat").split()[4])
        wants(idle >= 100, "only %d ticks idle" % idle)
        machine.type("poweroff -f\n")
        ends(machine, 0)


def group_time():
    for way in ("ring3", "none"):
        test("time/" + way, clock, way)


# ---- ends: how the machine ends is told to the host

def ends_with(name, line, status, says=None, way="ring3", extra=()):
    with start(name, "shell.cpio", way, "quiet", extra=extra) as machine:
        machine.expect("# ", 60)
        machine.type(line + "\n")
        if says:
            machine.expect(says, 20)
        ends(machine, status)


def reboots(name):
    with start(name, "shell.cpio", append="quiet", reboot=True) as machine:
        for _ in range(3):
            shell(machine)
            machine.type("reboot -f\n")
        shell(machine)
        machine.type("poweroff -f\n")
        ends(machine, 0)


def panics(name):
    with start(name, "shell.cpio", append="quiet panic=0") as machine:
        shell(machine)
        machine.type("echo c >/proc/sysrq-trigger\n")
        # ring3's own words, not the console's.
        machine.expect("ring3: .*sysrq triggered crash", 20)
        ends(machine, 4)


def no_root(name):
    with start(name, "short.cpio", append="quiet rdinit=/nothing") as machine:
        machine.expect("ring3: .*(No working init|Unable to mount root)", 20)
        ends(machine, 4)


def group_ends():
    test("ends/power-off", ends_with, "poweroff -f", 0)
    test("ends/halt", ends_with, "halt -f", 0)
    test("ends/reboot", ends_with, "reboot -f", 2)
    test("ends/sysrq-b", ends_with, "echo b >/proc/sysrq-trigger", 2)
    test("ends/sysrq-o", ends_with, "echo o >/proc/sysrq-trigger", 0)
    test("ends/reboots", reboots)
    test("ends/panic", panics)
    test("ends/no-init", no_root)


# ---- hidden: older versions, missing features

def features():
    with open(os.path.join(HERE, "..", "..", "abi", "ring3.abi"), encoding="utf-8") as f:
        return [(line.split()[2], int(line.split()[1])) for line in f if line.startswith("feature")]


def calls():
    """Each call and an error that its description has, for those that have one."""
    found = {}
    with open(os.path.join(HERE, "..", "..", "abi", "ring3.abi"), encoding="utf-8") as f:
        for line in f:
            if line.startswith("call"):
                name = line.split()[2]
            error = re.search(r"-(E[A-Z]+)", line) if line.startswith("returns") else None
            if error:
                found.setdefault(name, error.group(1))
    return found.items()


def boots_with(name, options, hidden=0, version=None, append=""):
    """The kernel comes up, and agreed to no feature of the mask `hidden`."""
    with start(name, "script.cpio", append="quiet pv.brief " + append, extra=options) as machine:
        text = machine.expect(r"(?s)^(.*)pv: done", 90).group(1).decode()
        ends(machine, 0)
    missing = [line for line in LINES if "pv: %s ok" % line not in text]
    wants(not missing, "missing: " + " ".join(missing))
    wants(not says(text, "complaint"), says(text, "complaint"))
    agreed = re.match(r"version (\S+), features ([0-9a-f]+)", says(text, "agreed"))
    wants(agreed, "it did not say what it agreed to")
    wants(not int(agreed.group(2), 16) & hidden, "it uses " + agreed.group(2))
    wants(version in (None, agreed.group(1)), "it agreed to version " + agreed.group(1))
    return "features " + agreed.group(2)


def without(name, append, hypervisor):
    with start(name, "script.cpio", append="quiet pv.brief console=ttyS0 " + append) as machine:
        text = machine.expect(r"(?s)^(.*)pv: done", 90).group(1).decode()
        ends(machine, 0)
    wants(says(text, "hypervisor") == hypervisor, "it found " + says(text, "hypervisor"))
    wants(not says(text, "agreed"), "it agreed to " + says(text, "agreed"))


def group_hidden():
    names = features()
    test("hidden/version-1.0", boots_with, ["--abi", "version=1.0"], 0, "1.0")
    for feature, bit in names:
        test("hidden/" + feature, boots_with, ["--abi", "hide=" + feature], 1 << bit)
    test("hidden/all", boots_with, ["--abi", "hide=" + "+".join(n for n, _ in names)], ~0)
    test("hidden/noring3", without, "noring3", "KVM")
    test("hidden/nopv", without, "nopv", "")


# ---- failing: calls that ring3 is told to refuse now and then

def group_failing():
    # version and shutdown: nothing works without; device calls are the drivers' tests'.  What
    # console_write does not take is lost, so only the end is looked at.
    for call, error in calls():
        if call in ("version", "shutdown") or call.startswith(("device_", "queue_")):
            continue
        if call == "console_write":
            test("failing/" + call, ends_with, "poweroff -f", 0, None, "ring3",
                 ["--abi", "fail=console_write:%s:20%%" % error])
            continue
        rate = "10%" if call.startswith(("event_mask", "console_")) else "1"
        test("failing/" + call, boots_with, ["--abi", "fail=%s:%s:%s" % (call, error, rate)])


# ---- pressure

def out_of_memory(name, way):
    """Memory that is full: files go to their limit, processes are killed, the kernel stays."""
    with start(name, "shell.cpio", way, "quiet", memory="96M") as machine:
        shell(machine)
        for _ in range(3):
            machine.run("mount -t tmpfs -o size=100% full /mnt 2>/dev/null || "
                        "{ mkdir -p /mnt; mount -t tmpfs -o size=100% full /mnt; }")
            machine.run("dd if=/dev/zero of=/mnt/fill bs=64k count=900 2>/dev/null", 60, check=False)
            machine.run("/load eat 60; true", 60)
            machine.run("umount /mnt")
        killed = machine.run("dmesg | grep -c 'Killed process'")
        wants(int(killed) >= 1, "nothing was killed")
        machine.run("/load eat 40 && /load forks 50", 60)
        machine.type("poweroff -f\n")
        ends(machine, 0)
        return killed + " killed"


def fork_storm(name, way):
    with start(name, "shell.cpio", way, "quiet", memory="256M") as machine:
        shell(machine)
        machine.run("ulimit -u 2000; for i in 1 2 3; do /load storm 300 || exit 1; done", 120)
        machine.run("for i in $(seq 1 100); do /bin/true & done; wait", 60)
        machine.run("/load forks 100 && /load memory 32", 60)
        wants(machine.run("dmesg | grep -cE 'BUG|WARNING|Oops' || true") == "0", "the kernel complains")
        machine.type("poweroff -f\n")
        ends(machine, 0)


def group_pressure():
    for way in ("ring3", "none"):
        test("pressure/memory-" + way, out_of_memory, way)
        test("pressure/forks-" + way, fork_storm, way)


# ---- memory: pages mapped before they are touched

AROUND = "/sys/module/ring3/parameters/faultaround"


def faults(machine):
    return [int(n) for n in machine.run("/load faults").split()]


def quiet_kernel(machine):
    said = machine.run("dmesg | grep -E 'BUG|WARNING|Oops|Bad page|Bad rss' || true")
    wants(not said, "the kernel complains: " + said)


def faults_ahead(name):
    with start(name, "shell.cpio", append="quiet") as machine:
        shell(machine)
        first, cow = faults(machine)
        wants(first <= 100 and cow <= 100, "%d and %d faults of 1024 pages" % (first, cow))
        machine.run("echo 1 >%s" % AROUND)
        least = faults(machine)
        wants(min(least) >= 1000, "%d and %d faults, though switched off" % tuple(least))
        machine.run("echo 1000000000 >%s" % AROUND)
        most = faults(machine)
        wants(max(most) <= 100, "%d and %d faults when all are asked for" % tuple(most))
        machine.run("for n in 64 16 2 1 0; do echo $n >%s; /load ahead || exit 1; done" % AROUND, 60)
        quiet_kernel(machine)
        machine.type("poweroff -f\n")
        ends(machine, 0)
        return "1024 pages: %d and %d faults, %d and %d without" % (first, cow, *least)


def faults_plain(name, way, append, extra=()):
    """It is off, or nobody is there who asked for it."""
    with start(name, "shell.cpio", way, "quiet " + append, extra=extra) as machine:
        shell(machine)
        first, cow = faults(machine)
        wants(min(first, cow) >= 1000, "%d and %d faults of 1024 pages" % (first, cow))
        machine.run("/load ahead", 60)
        quiet_kernel(machine)
        machine.type("poweroff -f\n")
        ends(machine, 0)


def faults_low(name):
    """Four times the memory there is would be mapped, were it not for the limit."""
    with start(name, "shell.cpio", append="quiet", memory="96M") as machine:
        shell(machine)
        machine.run("/load sparse 160", 60)
        machine.run("/load ahead", 60)
        # All free memory once a cache of files.
        machine.run("mkdir -p /mnt; mount -t tmpfs -o size=30m part /mnt; "
                    "dd if=/dev/zero of=/mnt/fill bs=64k count=400 2>/dev/null", 60, check=False)
        machine.run("/load sparse 60", 60)
        killed = machine.run("dmesg | grep -c 'Killed process' || true")
        wants(killed == "0", killed + " killed")
        quiet_kernel(machine)
        machine.type("poweroff -f\n")
        ends(machine, 0)


def group_memory():
    test("memory/ahead", faults_ahead)
    test("memory/off", faults_plain, "ring3", "ring3.faultaround=1")
    test("memory/no-hypercalls", faults_plain, "ring3", "", ["--abi", "hide=MMU"])
    test("memory/none", faults_plain, "none", "")
    test("memory/qemu", faults_plain, "qemu", "")
    test("memory/low", faults_low)


# ---- repeat: many boots in a row

def repeat(name, count):
    times = []
    for i in range(count):
        begun = time.monotonic()
        with start("%s-%d" % (name, i), "short.cpio", append="quiet",
                   kernel=("vmlinuz", "vmlinux")[i % 2]) as machine:
            machine.expect("started", 30)
            times.append(time.monotonic() - begun)
            ends(machine, 0)
        os.unlink(suite.log_of("%s-%d" % (name, i)))
    return "%d boots, median %.0f ms" % (count, 1000 * sorted(times)[count // 2])


def group_repeat():
    test("repeat", repeat, int(os.environ.get("PV_REPEAT", "20")))


globals()["group_" + sys.argv[1]]()
suite.end()
