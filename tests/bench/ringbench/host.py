# SPDX-License-Identifier: MIT
"""The host: where things lie, what it is, CPU time of processes, a network of our own.

ROOT is the source tree, or what `make install` made of it (libexec/ring3); WORK is where things
are kept that are made once: the build directory, or a cache in the user's home.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
IN_TREE = os.path.exists(os.path.join(ROOT, "Makefile"))
TICK = os.sysconf("SC_CLK_TCK")


class Unavailable(Exception):
    """Something cannot be measured here; the text says why, for the user."""


def _build():
    """The build directory; None: this is an installed tree, which has none."""
    if os.environ.get("BUILD"):
        return os.path.abspath(os.environ["BUILD"])
    if not IN_TREE:
        return None
    beside = os.path.dirname(os.path.abspath(os.environ.get("RING3", "")))
    return beside if os.path.exists(os.path.join(beside, "libring3.a")) else os.path.join(ROOT, "build")


def writable(directory):
    """Whether files can be made there; the directory, if need be, is made."""
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.X_OK)


def _work():
    """Where this user can keep things; None: nowhere but in --out."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for directory in (BUILD, os.path.join(cache, "ring3")):
        if directory and writable(directory):
            return directory
    return None


BUILD = _build()
WORK = _work()
RING3 = os.path.abspath(os.environ.get("RING3") or os.path.join(BUILD or "", "ring3"))
# Kernels that are there already, and where this user can put others.
READY_KERNELS = os.environ.get("KERNELS") or os.path.join(ROOT, "build/kernels")
os.environ["RING3"] = RING3
sys.path.insert(0, os.path.join(ROOT, "tests/boot"))
QEMU = shutil.which("qemu-system-x86_64")


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def use(out):
    """Results go to out; so does all else if there is no other place."""
    global WORK
    if not writable(out):
        raise Unavailable("cannot write to %s; --out says where to" % out)
    WORK = WORK or os.path.join(out, "work")


class Progress:
    """Lines "[3/24, 2 min] system: job", each completed by what was measured; minutes left."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.monotonic()

    def left(self):
        """At the pace there was; nothing before there was one."""
        if self.done < 5 or self.done > self.total:
            return ""
        seconds = (time.monotonic() - self.start) / self.done * (self.total - self.done)
        return ", %.0f min" % (seconds / 60) if seconds > 90 else ", %.0f s" % seconds

    def begin(self, system, job):
        left = self.left()
        self.done += 1
        print(
            "bench: [%d/%d%s] %s: %s ... " % (self.done, self.total, left, system, job),
            end="",
            file=sys.stderr,
            flush=True,
        )

    def end(self, text):
        print(text, file=sys.stderr, flush=True)

    def skip(self, steps):
        self.done += steps


def bound(number=signal.SIGKILL):
    """For preexec_fn: the process ends by that signal if this one does, however that came about."""
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def bind():
        prctl(1, int(number), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return bind


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
        ]
        + sources
    )
    try:
        run(words + ["-o", out + ".new"])
        os.rename(out + ".new", out)
    except OSError:
        raise Unavailable("no %s to compile the program that measures" % words[0]) from None
    except subprocess.CalledProcessError:
        raise Unavailable("the program that measures does not compile") from None


def program(name):
    """A program that is measured with: "bench", "net", or the test kernel "cost.elf"."""
    ready = os.path.join(ROOT, "programs", name)
    if os.path.exists(ready):
        return ready
    if not WORK:
        raise Unavailable("there is no place to compile the program that measures; --out gives it one")
    if name == "cost.elf":
        target = os.path.join(BUILD or WORK, "guest/high/abi/cost.elf")
        if not os.access(BUILD or WORK, os.W_OK):
            if os.path.exists(target):
                return target
            target = os.path.join(WORK, "guest/high/abi/cost.elf")
        try:
            run(
                [
                    "make",
                    "-s",
                    "--no-print-directory",
                    "-C",
                    os.path.join(ROOT, "tests/guest"),
                    "BUILD=" + target[: -len("/guest/high/abi/cost.elf")],
                    target,
                ],
                stderr=subprocess.STDOUT,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unavailable("the test kernel abi/cost was not built (%s)" % error) from None
        return target
    here = os.path.join(ROOT, "tests/bench")
    sources = sorted(os.path.join(here, f) for f in os.listdir(here) if re.match(name + r".*\.[ch]$", f))
    newest = max(os.path.getmtime(f) for f in sources)
    for place in (BUILD, WORK):
        out = os.path.join(place or WORK, "bench/programs", name)
        if os.path.exists(out) and os.path.getmtime(out) >= newest:
            return out
    try:
        os.makedirs(os.path.dirname(out), exist_ok=True)
    except OSError as error:
        raise Unavailable("cannot compile the program that measures (%s)" % error) from None
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
