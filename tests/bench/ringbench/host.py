# SPDX-License-Identifier: MIT
"""The host: where things lie, what it is, CPU time of processes, a network of our own.

ROOT is the source tree, or what `make install` made of it (libexec/ring3); WORK is where things
are kept that are made once: the build directory, or a cache in the user's home.
"""
import ctypes
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
IN_TREE = os.path.exists(os.path.join(ROOT, "Makefile"))
TICK = os.sysconf("SC_CLK_TCK")


class Unavailable(Exception):
    """Something cannot be measured here; the text says why, for the user."""


def _work():
    if os.environ.get("BUILD"):
        return os.path.abspath(os.environ["BUILD"])
    if IN_TREE:
        beside = os.path.dirname(os.path.abspath(os.environ.get("RING3", "")))
        return beside if os.path.exists(os.path.join(beside, "libring3.a")) else os.path.join(ROOT, "build")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "ring3")


WORK = _work()
RING3 = os.path.abspath(os.environ.get("RING3") or os.path.join(WORK, "ring3"))
KERNELS = os.environ.get("KERNELS") or (os.path.join(ROOT, "build") if IN_TREE else WORK) + "/kernels"
os.environ["RING3"] = RING3
os.environ["KERNELS"] = KERNELS
sys.path.insert(0, os.path.join(ROOT, "tests/boot"))
QEMU = shutil.which("qemu-system-x86_64")


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


class Progress:
    """Lines "[3/24] system: job", each completed by what was measured."""

    def __init__(self, total):
        self.total, self.done = total, 0

    def begin(self, system, job):
        self.done += 1
        print(
            "bench: [%d/%d] %s: %s ... " % (self.done, self.total, system, job),
            end="",
            file=sys.stderr,
            flush=True,
        )

    def end(self, text):
        print(text, file=sys.stderr, flush=True)

    def skip(self, steps):
        self.done += steps


def run(words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def tool(name, *arguments):
    """Output of one of tests/boot/'s programs."""
    try:
        return run([os.path.join(ROOT, "tests/boot", name), *arguments]).strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable("%s failed (%s)" % (name, error)) from None


def cpu_seconds(root):
    """CPU time of a process, its living descendants and those it has waited for."""
    children, times = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(name))
        times[int(name)] = sum(int(t) for t in fields[11:15])
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        total += times.get(pid, 0)
        todo += children.get(pid, [])
    return total / TICK


def describe():
    """What a reader must know of the host, as (name, value)."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search("model name.*: (.*)", f.read())
    with open("/proc/loadavg", encoding="utf-8") as f:
        load = " ".join(f.read().split()[:3])
    version = run([RING3, "version"]).strip() if os.access(RING3, os.X_OK) else "ring3 is not built"
    return [
        ("when", time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())),
        (
            "host",
            "%s, %d CPUs, Linux %s"
            % (model.group(1) if model else os.uname().machine, os.cpu_count(), os.uname().release),
        ),
        ("load before", load + " (any other load makes every figure worse, ring3's most)"),
        ("ring3", version),
        ("QEMU", run([QEMU, "--version"]).split("\n")[0] if QEMU else "not installed: no TCG rows"),
    ]


def _compile(name, sources, out):
    compiler = ["musl-gcc"] if shutil.which("musl-gcc") and name == "bench" else ["gcc"]
    words = (
        compiler
        + [
            "-std=gnu11",
            "-D_GNU_SOURCE",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Wno-missing-field-initializers",
            "-static",
            "-o",
            out,
        ]
        + sources
    )
    try:
        run(words)
    except OSError:
        raise Unavailable("no %s to compile the program that measures" % words[0]) from None
    except subprocess.CalledProcessError:
        raise Unavailable("the program that measures does not compile") from None


def program(name):
    """A program that is measured with: "bench", "net", or the test kernel "cost.elf"."""
    ready = os.path.join(ROOT, "programs", name)
    if os.path.exists(ready):
        return ready
    if name == "cost.elf":
        target = os.path.join(WORK, "guest/high/abi/cost.elf")
        try:
            run(
                [
                    "make",
                    "-s",
                    "--no-print-directory",
                    "-C",
                    os.path.join(ROOT, "tests/guest"),
                    "BUILD=" + WORK,
                    target,
                ],
                stderr=subprocess.STDOUT,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable("the test kernel abi/cost was not built (%s)" % error) from None
        return target
    here = os.path.join(ROOT, "tests/bench")
    sources = sorted(os.path.join(here, f) for f in os.listdir(here) if re.match(name + r".*\.[ch]$", f))
    out = os.path.join(WORK, "bench/programs", name)
    if not os.path.exists(out) or os.path.getmtime(out) < max(os.path.getmtime(f) for f in sources):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        _compile(name, [f for f in sources if f.endswith(".c")], out)
    return out


def closure(path):
    """A dynamically linked program and what the loader needs for it, as make-initramfs takes files."""
    done = subprocess.run(
        ["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    files = {path} | set(re.findall(r"(/\S+) \(0x", done.stdout))
    return ["%s:%s" % (f, f.lstrip("/")) for f in sorted(files)]


def _namespace(libc):
    """A network namespace, as root or, with a user namespace, as anybody."""
    new_net, new_user = 0x40000000, 0x10000000
    if libc.unshare(new_net) == 0:
        return True
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(new_user | new_net) != 0:
        return False
    try:
        for name, text in (("uid_map", "0 %d 1" % uid), ("setgroups", "deny"), ("gid_map", "0 %d 1" % gid)):
            with open("/proc/self/" + name, "w", encoding="ascii") as f:
                f.write(text)
    except OSError:
        return False
    return True


def own_network():
    """A network namespace of our own with the tap bench0.  False: none to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not shutil.which("ip") or not _namespace(libc):
        return False
    try:
        run(["ip", "link", "set", "lo", "up"])
        run(["ip", "tuntap", "add", "mode", "tap", "name", "bench0", "vnet_hdr"], stderr=subprocess.DEVNULL)
        run(["ip", "addr", "add", "10.99.0.1/24", "dev", "bench0"])
        run(["ip", "link", "set", "bench0", "up"])
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
