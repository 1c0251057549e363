"""The guardian's protocol (guardian/protocol.h) and the program, for tests."""

import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from .paths import built
from .processes import Process
from .waiting import GaveUp, wait_until

MAGIC, VERSION, NEVER = 0x64726148, 1, 2 ** 63 - 1
HELLO, PLAN, SET, STATE = 1, 2, 3, 4
NONE, ARMED, SERVING, FENCING = 0, 1, 2, 3
OK, MALFORMED, STRANGER, FIRED, PAST, SYSTEM, BUSY, LEAVING = range(8)
KILL, CUT, COMMAND, WATCHDOG = 1, 2, 3, 4
ENTRY = {"process": 1, "pid": 2, "cgroup": 3, "link": 4, "address": 5, "command": 6, "watchdog": 7,
         "vip": 8}

HEADER = struct.Struct("<IHHII")
LEASE = struct.Struct("<6Q3q2I")
LEASE_FIELDS = ("generation epoch nonce first_counter counter revision begun_ns deadline_ns "
                "fence_limit_ns phase paused").split()
STATE_HEAD = struct.Struct("<II2Q")
STATE_TAIL = struct.Struct("<2Qq4I256s256s")


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def in_ms(ms):
    """The instant so many ms from now."""
    return boot_ns() + int(ms * 1_000_000)


def start_time(pid):
    """Field 22 of /proc/PID/stat."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def is_dead(pid):
    """Gone, or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


class State(dict):
    """A STATE message, its fields as attributes."""
    __getattr__ = dict.__getitem__


def decode_state(data):
    magic, version, kind, size, seq = HEADER.unpack_from(data)
    assert (magic, version, kind, size) == (MAGIC, VERSION, STATE, len(data)), "not a STATE"
    at = HEADER.size
    s = State(zip("error leaving instance plan".split(), STATE_HEAD.unpack_from(data, at)), seq=seq)
    at += STATE_HEAD.size
    s["lease"] = State(zip(LEASE_FIELDS, LEASE.unpack_from(data, at)))
    at += LEASE.size
    s.update(zip("fired_generation fired_epoch fired_ns rung verified holds climbing cgroup text"
                 .split(), STATE_TAIL.unpack_from(data, at)))
    for name in ("cgroup", "text"):
        s[name] = s[name].split(b"\0")[0].decode()
    return s


def encode_entry(kind, *words):
    text = b"".join(str(w).encode() + b"\0" for w in words)
    return struct.pack("<HHI", ENTRY.get(kind, kind), len(words), len(text)) + text + b"\0" * (-len(text) % 8)


def encode_lease(**fields):
    values = {**dict.fromkeys(LEASE_FIELDS, 0), "deadline_ns": NEVER, **fields}
    return LEASE.pack(*(values[f] for f in LEASE_FIELDS))


class Client:
    """An agent's end. Each message is answered before the next one is sent; what the guardian says by
    itself is kept in `news`."""

    def __init__(self, path, site="site-a", group="default", hello=True):
        self.seq, self.news = 0, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wait_until(lambda: self.socket.connect(str(path)) is None, 5, f"a guardian at {path}")
        if hello:
            self.state = self.hello(site, group)

    def close(self):
        self.socket.close()

    def send(self, kind, body, version=VERSION):
        self.seq += 1
        self.socket.send(HEADER.pack(MAGIC, version, kind, HEADER.size + len(body), self.seq) + body)
        return self.seq

    def receive(self, timeout=5):
        """The next STATE; None: the guardian has closed the connection."""
        if not select.select([self.socket], [], [], timeout)[0]:
            raise GaveUp(f"waited {timeout} s for a STATE")
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return None
        return decode_state(data) if data else None

    def answer(self, seq, timeout=5):
        while True:
            state = self.receive(timeout)
            if state is None or state.seq == seq:
                return state
            self.news.append(state)

    def ask(self, kind, body, **options):
        return self.answer(self.send(kind, body, **options))

    def hello(self, site="site-a", group="default", **options):
        return self.ask(HELLO, struct.pack("<64s64s", site.encode(), group.encode()), **options)

    def plan(self, *entries, number=1, limits=(0, 0, 0, 0, 0)):
        body = struct.pack("<I5IQ", len(entries), *limits, number)
        return self.ask(PLAN, body + b"".join(encode_entry(*e) for e in entries))

    def set(self, phase, epoch, deadline_ns=NEVER, **more):
        return self.ask(SET, encode_lease(phase=phase, epoch=epoch, deadline_ns=deadline_ns, **more))

    def wait_state(self, holds, timeout, what):
        """The first STATE by itself, from now on or kept in `news`, for which `holds` is true."""
        end = time.monotonic() + timeout
        while True:
            for state in self.news:
                if holds(state):
                    return state
            self.news = []
            left = end - time.monotonic()
            if left <= 0:
                raise GaveUp(f"waited {timeout} s for {what}")
            state = self.receive(left)
            assert state is not None, f"the guardian has closed the connection before {what}"
            self.news.append(state)

    def wait_verified(self, epoch, timeout=30):
        """The STATE that says that a rung of the ladder for this epoch was verified, however late."""
        return self.wait_state(lambda s: s.fired_epoch == epoch and s.verified, timeout,
                               f"the fire for epoch {epoch} to be verified")

    def wait_end(self, epoch, timeout=30):
        """The STATE that says how the ladder for this epoch has ended."""
        return self.wait_state(lambda s: s.fired_epoch == epoch and not s.climbing, timeout,
                               f"the end of the ladder for epoch {epoch}")


class Guardian(Process):
    """harmony-guardian in a folder of its own."""

    def __init__(self, folder, *more, site="site-a", group="default", name="guardian", netns=None):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.socket = self.folder / "guardian.sock"
        enter = ["nsenter", f"--net={netns}"] if netns else []
        super().__init__(name, [*enter, built("harmony-guardian"), "--socket", self.socket,
                                "--site", site, "--group", group, "--state", self.folder,
                                "--log-level", "debug", *more], self.folder / f"{name}.log")

    def client(self, **options):
        return Client(self.socket, **options)


JOINER = """
import os, sys
try:
    fd = os.open(sys.argv[1] + "/cgroup.procs", os.O_WRONLY)
    os.write(fd, b"0")
except OSError as error:
    sys.exit(f"cannot join: {error}")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def join_and_run(cgroup, *argv):
    """A process that joins the cgroup before it executes argv, as the agent's hooks do."""
    return subprocess.Popen([sys.executable, "-c", JOINER, cgroup, *argv],
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def members(cgroup):
    return [int(pid) for pid in Path(cgroup, "cgroup.procs").read_text().split()]
