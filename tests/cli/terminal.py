# SPDX-License-Identifier: MIT
# The console on a pseudo-terminal: raw while the machine runs, keys, resizing, and the old mode
# again however it ended.
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

ring3, kernel = sys.argv[1:]
failed = False


def verdict(name, ok, detail=""):
    global failed
    print(f"PASS cli/terminal-{name}" if ok else f"FAIL cli/terminal-{name}: {detail}")
    failed |= not ok


class Machine:
    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # A shell that outlives ring3, so that the terminal does too.
            os.execlp("sh", "sh", "-c", f"stty -a; '{ring3}' run --kernel '{kernel}' -m 16M; "
                      "echo status=$?; stty -a; read line")
        self.text = b""

    def read(self, until, seconds=10.0):
        end = time.time() + seconds
        start = len(self.text)
        while time.time() < end and until not in self.text[start:]:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 4096)
                except OSError:
                    break
        return until in self.text[start:]

    def raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def wait_raw(self):
        for _ in range(100):
            if self.raw():
                return True
            time.sleep(0.05)
        return False

    def type(self, text):
        os.write(self.fd, text)

    def ring3_pids(self):
        pids = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == self.pid:
                        pids.append(int(name))
            except (OSError, ValueError, IndexError):
                pass
        return pids

    def close(self):
        self.type(b"\n")
        os.close(self.fd)
        os.waitpid(self.pid, 0)


machine = Machine()
verdict("raw", machine.wait_raw(), "not in raw mode")
machine.type(b"\x01h")
verdict("help", machine.read(b"Ctrl-a x"), machine.text)
fcntl.ioctl(machine.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
machine.type(b"\x03\x1c\x1a")
time.sleep(0.5)
verdict("resize-and-control-keys", machine.raw(), "not in raw mode any more")
machine.type(b"\x01x")
verdict("quit", machine.read(b"status=12"), machine.text)
machine.read(b"echoke")
verdict("restored", not machine.raw() and machine.text.count(b" icanon") == 2, machine.text)
machine.close()

machine = Machine()
machine.wait_raw()
for pid in machine.ring3_pids():
    os.system(f"kill -KILL $(pgrep -P {pid} | head -n 1)")
verdict("killed", machine.read(b"status=14"), machine.text)
machine.read(b"echoke")
verdict("restored-after-kill", not machine.raw(), "still raw")
machine.close()

machine = Machine()
machine.wait_raw()
for pid in machine.ring3_pids():
    os.kill(pid, signal.SIGTERM)
verdict("terminated", machine.read(b"status=12"), machine.text)
machine.close()
sys.exit(failed)
