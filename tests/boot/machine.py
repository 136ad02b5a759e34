# SPDX-License-Identifier: MIT
# A machine under test and its serial console: starts ring3 (or QEMU TCG, from the same description),
# waits for what the guest says, types, logs in, runs commands in the guest's shell.
#
#   machine = Machine(command(kernel, "initrd", "console=ttyS0", disks=["file=d.img,device=ide"]), log)
#   machine.expect("login: ", 60); machine.login(); text = machine.run("uname -r")
#
# Everything the guest printed is kept in the file `log`.  What is not said within the given seconds,
# or a machine that ended before, raises Failure with the end of the console.
import os
import re
import select
import signal
import subprocess
import time

RING3 = os.environ.get("RING3", os.path.join(os.environ.get("BUILD", "build"), "ring3"))


class Failure(Exception):
    pass


def _qemu_disk(text, index):
    option = dict(word.partition("=")[::2] for word in text.split(","))
    # ring3 leaves it to the user that nobody else writes to the same part of a file.
    drive = "driver=raw,file.driver=file,file.locking=off,file.filename=" + option["file"]
    drive += "".join(",%s=%s" % (word, option[word]) for word in ("offset", "size") if word in option)
    if "readonly" in option:
        drive += ",readonly=on"
    kind = "ide-hd" if option.get("device", "virtio") == "ide" else "virtio-blk-pci"
    serial = ",serial=" + option["serial"] if "serial" in option else ""
    return ["-drive", "%s,if=none,id=d%d,cache=%s" % (drive, index, option.get("cache", "writeback")),
            "-device", "%s,drive=d%d,werror=report,rerror=report%s" % (kind, index, serial)]


def command(kernel, initrd, append, disks=(), memory="512M", extra=(), kind=None, reboot=False):
    """The words of a command line.  disks: in ring3's syntax; sizes and offsets in bytes.
    kind: ring3 or tcg, by default $MACHINE or ring3."""
    kind = kind or os.environ.get("MACHINE", "ring3")
    words = ["--kernel", kernel, "--append", append] + (["--initrd", initrd] if initrd else [])
    if kind == "ring3":
        words = [RING3, "run", "--memory", memory] + words + ([] if reboot else ["--no-reboot"])
        for disk in disks:
            words += ["--disk", disk]
        return words + list(extra)
    words = [word[1:] if word.startswith("--") else word for word in words]
    words = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", memory, "-display", "none",
             "-monitor", "none", "-serial", "stdio", "-nic", "none"] + words
    if not reboot:
        words.append("-no-reboot")
    for index, disk in enumerate(disks):
        words += _qemu_disk(disk, index)
    return words


def unprivileged():
    """A prefix that makes a command nobody's, where this is root."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--"]


class Machine:
    def __init__(self, words, log, env=None, preexec=None):
        self.log = open(log, "ab", buffering=0)
        self.text = b""     # since the last match
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env, preexec_fn=preexec,
                                        start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self, seconds):
        """Take what there is, waiting for at most so long.  False: the machine has closed its console."""
        ready = select.select([self.process.stdout], [], [], max(seconds, 0))[0]
        if not ready:
            return True
        data = os.read(self.process.stdout.fileno(), 65536)
        self.log.write(data)
        self.text += data
        return bool(data)

    def tail(self):
        text = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]|[^\x20-\x7e\n]", b"", self.text).decode()
        return " | ".join(text.strip().split("\n")[-3:])[-300:]

    def expect(self, pattern, seconds):
        """Wait for a regular expression; what came after it stays for the next one."""
        pattern = re.compile(pattern.encode())
        end = time.monotonic() + seconds
        alive = True
        while True:
            match = pattern.search(self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            left = end - time.monotonic()
            if not alive:
                raise Failure("ended before it said \"%s\": %s" % (pattern.pattern.decode(), self.tail()))
            if left <= 0:
                raise Failure("no \"%s\" in %d s: %s" % (pattern.pattern.decode(), seconds, self.tail()))
            alive = self.read(left)

    def type(self, text):
        os.write(self.process.stdin.fileno(), text.encode())

    def login(self, seconds=120):
        """To a plain shell whose prompt run() knows, with no echo."""
        self.expect(r"login: ", seconds)
        self.type("root\n")
        self.expect(r"# ", 60)
        self.type("exec env PS1=gu''est: TERM=dumb sh\n")
        self.expect(r"guest:", 30)
        self.type("stty -echo -onlcr cols 500\n")
        self.expect(r"guest:", 30)

    def run(self, line, seconds=60, check=True):
        """What a command printed; Failure if its status is not 0."""
        self.type(line + "\necho status=$?=\n")
        start = self.expect(r"(?s)^(.*?)guest:status=(\d+)=\nguest:", seconds)
        text = start.group(1).decode(errors="replace").replace("\r", "")
        if check and start.group(2) != b"0":
            raise Failure("status %s of \"%s\": %s" % (start.group(2).decode(), line, text[-300:]))
        return text.rstrip("\n")

    def members(self):
        """What is alive of the machine, as "pid name state where"; zombies wait for somebody else."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                    name, rest = f.read().split(" (", 1)[1].rsplit(") ", 1)
                state, _, group = rest.split()[:3]
                if int(group) == self.process.pid and state not in "ZX":
                    with open("/proc/%s/wchan" % pid, encoding="utf-8", errors="replace") as f:
                        found.append("%s %s %s %s" % (pid, name, state, f.read()))
            except (OSError, IndexError):
                continue
        return found

    def wait(self, seconds):
        """The status with which the machine ended."""
        end = time.monotonic() + seconds
        while self.read(end - time.monotonic()):
            if time.monotonic() >= end:
                raise Failure("still there after %d s (%s): %s" % (
                    seconds, ", ".join(self.members()), self.tail()))
        return self.process.wait(10)

    def kill(self):
        """kill -9 of the process that was started; its children are the machine's own affair."""
        if self.process.poll() is None:
            self.process.kill()
        while self.read(5) and self.process.poll() is None:
            pass
        self.process.wait(10)

    def end(self):
        """Whatever happened, nothing stays behind."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, signal_number)
                time.sleep(0.1)
            except ProcessLookupError:
                break
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
