# SPDX-License-Identifier: MIT
# What programs of tests that start machines share: the directories that their `run` prepared, the
# machines' logs, verdicts as tests/run counts them, a debugger's commands.
import os
import re
import signal
import socket
import sys
import time
import traceback

from machine import Failure, Machine


class Suite:
    """name: what verdicts begin with; its work directory is $NAME_WORK, its logs are in $NAME_LOGS."""
    def __init__(self, name):
        self.name = name
        self.work = os.environ[name.upper() + "_WORK"]
        self.logs = os.environ[name.upper() + "_LOGS"]
        self.failures = 0
        # Machines are ended with the test that started them (Machine.__exit__).
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def path(self, name):
        return os.path.join(self.work, name)

    def log_of(self, name, kind="log"):
        return os.path.join(self.logs, "%s.%s" % (name.replace("/", "-"), kind))

    def start(self, name, words, **how):
        """A machine by these words, with a log of its own."""
        log = self.log_of(name)
        if os.path.exists(log):
            os.unlink(log)
        return Machine(words, log, **how)

    def verdict(self, name, problem=None):
        if problem is None:
            print("PASS %s/%s" % (self.name, name), flush=True)
        else:
            print("FAIL %s/%s: %s" % (self.name, name, problem), flush=True)
            self.failures += 1

    def test(self, name, function, *arguments):
        """One verdict of a function that raises Failure; whatever else it raises is a failure as well."""
        started = time.monotonic()
        try:
            detail = function(*arguments)
            self.verdict("%s (%s%.1f s)" % (name, detail + "; " if detail else "", time.monotonic() - started))
            return True
        except Failure as failure:
            self.verdict(name, failure)
        except Exception as error:  # a test that is wrong fails, and says where
            self.verdict(name, "%s: %s" % (type(error).__name__, error))
            traceback.print_exc()
        return False

    def skip(self, name, why):
        print("SKIP %s/%s: %s" % (self.name, name, why), flush=True)

    def end(self):
        sys.exit(1 if self.failures else 0)


def wants(condition, text):
    if not condition:
        raise Failure(text)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _connected(port):
    for _ in range(50):
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise Failure("nobody listens for a debugger")


def monitor(port, line):
    """gdb's `monitor`, of a machine with --gdb PORT; what ring3 answers."""
    data = b""

    def send(text):
        connection.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 255))

    def reply():
        """The next packet's text."""
        nonlocal data
        while True:
            packet = re.search(rb"\$([^#]*)#..", data)
            if packet:
                data = data[packet.end():]
                connection.sendall(b"+")
                return packet.group(1).decode()
            more = connection.recv(4096)
            if not more:
                raise Failure("the debugger's connection ended")
            data += more

    with _connected(port) as connection:
        send("qRcmd," + line.encode().hex())
        said, answer = "", reply()
        while answer.startswith("O") and answer != "OK":
            said += bytes.fromhex(answer[1:]).decode()
            answer = reply()
        if answer != "OK":
            said += bytes.fromhex(answer).decode()
        send("D")
        reply()
    return said
