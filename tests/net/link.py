#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cable between two cards, with flaws: two listening sockets for the stream protocol.

  link.py SOCKET SOCKET [drop=PERCENT] [duplicate=PERCENT] [reorder=PERCENT] [seed=N]

Each frame that comes in at one end goes out at the other, but some are lost, sent twice, or held
back until a few others have passed.  Prints "ready" when both sockets listen; ends when both
machines have connected and one of them is gone, with a line of what was done to the frames.
"""
import collections
import os
import random
import select
import socket
import struct
import sys

QUEUE = 1 << 20     # bytes kept for a card that does not read; more is lost


class End:
    def __init__(self, path):
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(1)
        self.socket = None
        self.input = b""
        self.output = bytearray()
        self.held = collections.deque()     # [frames still to pass, frame]

    def frames(self):
        """Whole frames of what has come; None: the other side is gone."""
        try:
            data = self.socket.recv(262144)
        except ConnectionError:
            data = b""
        if not data:
            return None
        self.input += data
        found = []
        while len(self.input) >= 4:
            length = struct.unpack(">I", self.input[:4])[0]
            if length > 65553:
                raise SystemExit("a frame of impossible length, %d" % length)
            if len(self.input) < 4 + length:
                break
            found.append(self.input[:4 + length])
            self.input = self.input[4 + length:]
        return found

    def put(self, frame):
        if len(self.output) + len(frame) <= QUEUE:
            self.output += frame

    def push(self):
        try:
            sent = self.socket.send(self.output)
        except BlockingIOError:
            return
        except ConnectionError:
            sent = len(self.output)
        del self.output[:sent]


def main():
    flaws = {"drop": 0.0, "duplicate": 0.0, "reorder": 0.0, "seed": 1.0}
    flaws.update((k, float(v)) for k, v in (word.split("=") for word in sys.argv[3:]))
    rng = random.Random(int(flaws["seed"]))
    count = collections.Counter()
    ends = [End(sys.argv[1]), End(sys.argv[2])]
    print("ready", flush=True)

    def pass_on(frame, to):
        count["frames"] += 1
        if rng.random() * 100 < flaws["drop"]:
            count["dropped"] += 1
            return
        if rng.random() * 100 < flaws["reorder"]:
            count["reordered"] += 1
            to.held.append([rng.randrange(1, 6), frame])
            return
        to.put(frame)
        if rng.random() * 100 < flaws["duplicate"]:
            count["duplicated"] += 1
            to.put(frame)
        for entry in to.held:
            entry[0] -= 1
        while to.held and to.held[0][0] <= 0:
            to.put(to.held.popleft()[1])

    while True:
        reads = [e.socket or e.listener for e in ends]
        writes = [e.socket for e in ends if e.socket and e.output]
        ready = select.select(reads, writes, [], 0.05)
        if not ready[0] and not ready[1]:
            for end in ends:        # nothing follows: what was held back goes out
                while end.held:
                    end.put(end.held.popleft()[1])
        for end, other in ((ends[0], ends[1]), (ends[1], ends[0])):
            if end.socket is None:
                if end.listener in ready[0]:
                    end.socket = end.listener.accept()[0]
                    end.socket.setblocking(False)
                continue
            if end.socket in ready[0]:
                frames = end.frames()
                if frames is None:
                    print(" ".join("%s=%d" % item for item in sorted(count.items())), flush=True)
                    return
                for frame in frames:
                    pass_on(frame, other)
        for end in ends:
            if end.socket and end.output:
                end.push()


main()
