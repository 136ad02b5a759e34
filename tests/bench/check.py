#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of tests/bench/run: the installed `ring3 bench` in $BENCH_WORK, as nobody where this is root."""
import csv
import html.parser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../boot")]
WORK, OUT = os.environ["BENCH_WORK"], os.environ["BENCH_OUT"]
RING3 = os.path.join(WORK, "bin/ring3")
PV = os.path.exists(os.path.join(WORK, "libexec/ring3/pv-guest/vmlinuz"))
failed = False


def verdict(name, why):
    """why: what is wrong; empty: nothing."""
    global failed
    failed = failed or bool(why)
    print("%s bench/%s%s" % ("FAIL" if why else "PASS", name, ": " + why if why else ""), flush=True)


def words(*arguments):
    """As an ordinary user: but a stock kernel is fetched by whoever owns the kernels."""
    prefix = []
    if os.getuid() == 0 and PV:
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--"]
    return prefix + [RING3, "bench", *arguments]


def environment():
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": OUT,
        "LANG": "C.UTF-8",
        "KERNELS": os.environ["KERNELS"],
    }


def bench(name, *arguments, seconds=200):
    """Runs it with results in OUT/name; the finished process."""
    return subprocess.run(
        words(*arguments, "--out", os.path.join(OUT, name)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=seconds,
        check=False,
    )


def refused(*arguments):
    """With an --out of its own, which cannot be."""
    return subprocess.run(
        words(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )


def said(done):
    return "status %d: %s" % (
        done.returncode,
        (done.stdout + done.stderr).strip().replace("\n", " | ")[-400:],
    )


class Page(html.parser.HTMLParser):
    """What is wrong with a page that must need nothing beside it."""

    VOID = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.count = [], [], {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("link", "script", "img", "iframe", "object"):
            self.wrong.append("a <%s>" % tag)
        for name, value in attrs:
            if name in ("href", "xlink:href", "src") and not value.startswith("#"):
                self.wrong.append("%s=%s" % (name, value[:60]))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append("</%s> where there is no <%s>" % (tag, tag))


def page_wrong(path, plots):
    page = Page()
    with open(path, encoding="utf-8") as f:
        text = f.read()
    page.feed(text)
    wrong = page.wrong + ["<%s> is not closed" % tag for tag in page.open]
    if re.search(r"https?:|url\((?!#)|@import", text):
        wrong.append(
            "refers to something outside: %s" % re.search(r"https?:|url\((?!#).{40}|@import", text).group(0)
        )
    has_plots = "no plots: matplotlib" not in text
    if plots and bool(page.count.get("svg")) != has_plots:
        wrong.append("%d plots" % page.count.get("svg", 0))
    return "; ".join(wrong[:3])


def results(name):
    """The records of a run, which JSON, CSV and table must agree on; (records, what is wrong)."""
    with open(os.path.join(OUT, name, "results.json"), encoding="utf-8") as f:
        data = json.load(f)
    with open(os.path.join(OUT, name, "results.csv"), encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    with open(os.path.join(OUT, name, "table.txt"), encoding="utf-8") as f:
        table = f.read()
    records = {(r["job"], r["system"]): r for r in data["results"]}
    wrong = []
    if len(rows) != len(data["results"]):
        wrong.append("%d rows of CSV, %d records" % (len(rows), len(data["results"])))
    for row in rows:
        record = records.get((row["job"], row["system"]))
        if not record or abs(float(row["value"]) - record["value"]) > 1e-4 * abs(record["value"]):
            wrong.append("CSV and JSON differ about %s, %s" % (row["job"], row["system"]))
        for reason, n in (record or {}).get("exits", {}).items():
            if abs(float(row["exits_" + reason]) - n) > 1e-4 * n:
                wrong.append("CSV and JSON differ about exits by %s" % reason)
    for (job, system), record in records.items():
        if record["value"] <= 0:
            wrong.append("%s of %s is %g" % (job, system, record["value"]))
        if job not in table or system.replace("-ide", "-") not in table.replace("-ide", "-"):
            wrong.append("the table lacks %s, %s" % (job, system))
        if abs(sum(record.get("exits", {}).values()) - record.get("exits_total", 0)) > 1e-6 * record.get(
            "exits_total", 0
        ):
            wrong.append("the exits of %s, %s do not add up" % (job, system))
    return records, "; ".join(wrong[:3])


def check_figures(name):
    import check_figures as figures

    for part, wrong in getattr(figures, name)():
        verdict(part, wrong)


def check_errors():
    done = bench("errors", "--help")
    verdict(
        "help",
        ""
        if done.returncode == 0 and "--only" in done.stdout and "io|cpu|boot" in done.stdout
        else said(done),
    )
    done = bench("errors", "--list")
    verdict("list", "" if done.returncode == 0 and "ring3-virtio" in done.stdout else said(done))
    for name, arguments, status, text in (
        ("nothing", [], 2, "what is to be measured"),
        ("unknown-system", ["io", "--only", "xen"], 2, "xen"),
        ("unknown-bench", ["tape"], 2, "tape"),
        ("no-kernel", ["io", "--null", "--kernel", "/nowhere/vmlinuz"], 1, "there is no kernel"),
        ("no-disk", ["io", "--disk", "/nowhere/disk"], 1, "there is no file"),
        ("out", ["cpu", "--out", "/proc/nowhere"], 1, "cannot write to /proc/nowhere"),
        ("rest", ["io", "--rest", "-1"], 2, "too little"),
    ):
        done = bench("errors", *arguments) if "--out" not in arguments else refused(*arguments)
        verdict(
            "error-" + name,
            ""
            if done.returncode == status and text in done.stderr and "Traceback" not in done.stderr
            else said(done),
        )
    with tempfile.TemporaryDirectory() as lonely:
        alone = shutil.copy(RING3, lonely)
        done = subprocess.run(
            [alone, "bench", "io"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False
        )
    verdict(
        "error-not-installed",
        ""
        if done.returncode == 1 and done.stderr.count("\n") == 1 and "no ring3-bench beside" in done.stderr
        else said(done),
    )


def check_alone():
    """Nothing but --out to write to, no QEMU, no matplotlib: less is shown, and it says so."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        tools = os.path.join(scratch, "bin")
        os.mkdir(tools)
        for directory in ("/usr/sbin", "/usr/bin"):
            for name in os.listdir(directory):
                to = os.path.join(tools, name)
                if not name.startswith("qemu") and not os.path.lexists(to):
                    os.symlink(os.path.join(directory, name), to)
        with open(os.path.join(scratch, "matplotlib.py"), "w", encoding="ascii") as f:
            f.write("raise ImportError\n")
        out = os.path.join(OUT, "alone")
        done = subprocess.run(
            words("cpu", "--quick", "--jobs", "^getppid|hypercall", "--only", "ring3,tcg", "--out", out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment() | {"PATH": tools, "PYTHONPATH": scratch, "HOME": "/nonexistent"},
            timeout=100,
            check=False,
        )
    if done.returncode:
        verdict("alone", said(done))
        return
    found, wrong = results("alone")
    with open(os.path.join(out, "report.html"), encoding="utf-8") as f:
        page = f.read()
    for text in ("no plots: matplotlib", "not installed: no TCG rows"):
        if text not in page:
            wrong += ' the report does not say "%s"' % text
    if any(system == "tcg" for _, system in found) or "<svg" in page:
        wrong += " rows: %s" % sorted(found)
    verdict("alone", wrong or page_wrong(os.path.join(out, "report.html"), False))


def check_io():
    if not shutil.which("fio"):
        print("SKIP bench/io: no fio")
        return
    systems = ["ring3-ide", "ring3-virtio"] + (["ring3-pv"] if PV else [])
    done = bench("io", "io", "--quick", "--null", "--jobs", "^rand-read", "--only", ",".join(systems))
    if done.returncode:
        verdict("io", said(done))
        return
    found, wrong = results("io")
    verdict(
        "io",
        wrong
        or (
            ""
            if set(found) == {(j, s) for j in ("rand-read d1", "rand-read d32") for s in systems}
            else "rows: %s" % sorted(found)
        ),
    )
    # What is known beforehand of the devices: IDE is driven by ports, virtio by memory, PV by calls.
    exits = lambda system: found["rand-read d1", system]["exits"]
    verdict("io-exits-ide", "" if exits("ring3-ide").get("pio", 0) > 5 else str(exits("ring3-ide")))
    verdict(
        "io-exits-virtio",
        ""
        if 0.9 < exits("ring3-virtio").get("mmio", 0) < 4 and exits("ring3-virtio").get("pio", 0) < 0.5
        else str(exits("ring3-virtio")),
    )
    if PV:
        calls = found["rand-read d1", "ring3-pv"]["hypercalls"]
        verdict(
            "io-exits-pv",
            ""
            if 0.5 < calls.get("queue_kick", 0) < 1.5 and exits("ring3-pv").get("mmio", 0) < 0.1
            else "%s, %s" % (exits("ring3-pv"), calls),
        )
    else:
        print("SKIP bench/io-exits-pv: the PV kernel is not built")
    verdict("io-report", page_wrong(os.path.join(OUT, "io/report.html"), True))
    left = [f for f in os.listdir(os.path.join(OUT, "io")) if f.endswith((".img", ".stats", ".new", ".cpio"))]
    verdict("io-leaves-nothing", ", ".join(left))


def check_cpu():
    done = bench(
        "cpu", "cpu", "--quick", "--jobs", "^getppid|^fault|hypercall|port", "--only", "native,ring3,ring3-pv"
    )
    if done.returncode:
        verdict("cpu", said(done))
        return
    found, wrong = results("cpu")
    wanted = [
        ("getppid", "native"),
        ("getppid", "ring3"),
        ("hypercall", "ring3-pv"),
        ("port access", "ring3-pv"),
    ]
    lacking = [w for w in wanted + ([("fault", "ring3-pv")] if PV else []) if w not in found]
    verdict("cpu", wrong or ("no %s" % lacking if lacking else ""))
    # A null system call is one exit to the kernel and one back, whatever else.
    exits = found.get(("getppid", "ring3"), {}).get("exits", {})
    verdict("cpu-exits", "" if 0.99 < exits.get("syscall", 0) < 1.2 else str(exits))
    verdict("cpu-report", page_wrong(os.path.join(OUT, "cpu/report.html"), True))


def check_boot():
    if not PV:
        print("SKIP bench/boot: the PV kernel is not built")
        return
    kernel = os.path.join(WORK, "libexec/ring3/pv-guest/vmlinuz")
    done = bench("boot", "boot", "--quick", "--kernel", kernel, "--only", "ring3-none,ring3-pv")
    if done.returncode:
        verdict("boot", said(done))
        return
    found, wrong = results("boot")
    verdict("boot", wrong or ("" if len(found) == 2 else "rows: %s" % sorted(found)))
    verdict("boot-report", page_wrong(os.path.join(OUT, "boot/report.html"), True))


def alive():
    """Processes that still run the ring3 under test, or its ring3-bench."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if WORK.encode() in f.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            continue
    return found


def measuring(name):
    """A run that has measured its first job: the process."""
    options = "--quick --seconds 1 --passes 20 --null --jobs ^rand-read --only ring3-virtio --out"
    process = subprocess.Popen(
        words("io", *options.split(), os.path.join(OUT, name)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        # A shell's background jobs ignore it, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stderr:
        if "[2/" in line:
            break
    return process


def left_alive():
    """What is left of it after a moment."""
    for _ in range(50):
        if not alive():
            break
        time.sleep(0.1)
    return ", ".join(alive())


def check_interrupt():
    """Ctrl-C during the second job: the first one is kept, nothing stays behind.  Nor after kill -9."""
    if not shutil.which("fio"):
        print("SKIP bench/interrupt: no fio")
        return
    process = measuring("interrupt")
    try:
        machines = alive()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        text, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    verdict(
        "interrupt",
        ""
        if process.returncode == 130 and len(machines) > 1 and "Traceback" not in errors
        else "status %d, %d processes: %s" % (process.returncode, len(machines), (text + errors)[-300:]),
    )
    found, wrong = results("interrupt")
    verdict(
        "interrupt-keeps", wrong or ("" if ("rand-read d1", "ring3-virtio") in found else str(sorted(found)))
    )
    verdict("interrupt-leaves-nothing", left_alive())
    process = measuring("killed")
    machines = alive()
    process.kill()
    process.communicate(timeout=60)
    verdict(
        "killed-leaves-nothing",
        left_alive() or ("" if len(machines) > 1 else "only %d processes" % len(machines)),
    )


def check_stats():
    """--stats=FILE: whole at any time, and never less than before."""
    kernel = os.path.join(WORK, "libexec/ring3/programs/cost.elf")
    path = os.path.join(OUT, "stats.json")
    line = [
        RING3,
        "run",
        "--kernel",
        kernel,
        "--pv",
        "ring3",
        "--memory",
        "64M",
        "--no-reboot",
        "--timeout",
        "20",
    ]
    done = subprocess.run(
        line + ["--stats=" + path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    values = {c["name"]: c["value"] for c in data["counters"]}
    # The test kernel makes 20,000 calls that nobody knows and reads a port as often.
    verdict(
        "stats",
        ""
        if data["final"] and values.get("hypercall_unknown", 0) >= 20000 and values["pio"] >= 20000
        else "%s, final %s, %s" % (said(done), data["final"], {n: v for n, v in values.items() if v}),
    )
    done = subprocess.run(
        line + ["--stats=/nowhere/stats"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    verdict(
        "stats-refused",
        "" if done.returncode == 1 and "cannot write the counters" in done.stderr else said(done),
    )


GROUPS = {
    "judged": lambda: check_figures("judged"),
    "counted": lambda: check_figures("counted"),
    "beside": lambda: check_figures("beside"),
    "errors": check_errors,
    "alone": check_alone,
    "io": check_io,
    "cpu": check_cpu,
    "boot": check_boot,
    "interrupt": check_interrupt,
    "stats": check_stats,
}

if __name__ == "__main__":
    for group in sys.argv[1:] or GROUPS:
        try:
            GROUPS[group]()
        except (OSError, KeyError, ValueError, subprocess.TimeoutExpired) as error:
            verdict(group, "%s: %s" % (type(error).__name__, error))
    sys.exit(1 if failed else 0)
