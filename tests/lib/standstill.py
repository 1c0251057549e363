"""When this machine stood still: a process that only looks at the clock, all the time, had no turn.

A host of virtual machines that is busy takes the processors away from one for a second or two, and from
every process of a test at once. What a test says about time is then about time that was lived:

    still = Standstill(folder)
    still.lived_ns(since, until)       # that time without the standstills in it (all in ns of BOOTTIME)
    still.goes_on(instant)             # when the standstill that began there had ended; else the instant itself
    still.close()

A lease knows nothing of this: it runs out on a host that stands still, as it should. A test whose leader must
stay has to give its lease more time than that.
"""

import struct
import sys
import time
from pathlib import Path

from .processes import Process
from .waiting import wait_until

GAP_NS = 20_000_000  # a busy machine keeps everything waiting for less than this all the time
RECORD = struct.Struct("=qq")

# Each gap is written down before the look that ended it is: who reads the look first misses none.
LOOKS = f"""
import os, struct, sys, time
gaps = open(sys.argv[1], "ab", buffering=0)
last = open(sys.argv[2], "r+b", buffering=0)
before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
while True:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if now - before > {GAP_NS}:
        gaps.write(struct.pack("=qq", before, now))
    os.pwrite(last.fileno(), struct.pack("=q", now), 0)
    before = now
    time.sleep(0.002)
"""


class Standstill:
    def __init__(self, folder):
        folder = Path(folder)
        self._gaps, self._last = folder / "standstill.gaps", folder / "standstill.last"
        self._gaps.touch()
        self._last.write_bytes(bytes(8))
        self._process = Process("the look at the clock", [sys.executable, "-c", LOOKS, self._gaps, self._last],
                                folder / "standstill.log").start()
        wait_until(lambda: self._process.check_running() and self._last_look(), 20, "the first look at the clock")

    def close(self):
        self._process.kill()

    def lived_ns(self, since, until=None):
        """Until now, if nothing is said."""
        until = until or time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        lost = sum(max(0, min(end, until) - max(begin, since)) for begin, end in self._standstills(until))
        return until - since - lost

    def goes_on(self, instant):
        """Who did something at its last instant before a standstill would have done it until its end."""
        return next((end for begin, end in self._standstills(instant) if begin - GAP_NS <= instant < end), instant)

    def longest_ms(self, since, until):
        """The longest standstill of which a part is in that time."""
        return max([(end - begin) / 1e6 for begin, end in self._standstills(until) if end > since and begin < until],
                   default=0)

    def _last_look(self):
        return struct.unpack("=q", self._last.read_bytes())[0]

    def _standstills(self, until):
        """(begin, end), oldest first; the last one may go on."""
        look = self._last_look()
        data = self._gaps.read_bytes()
        gaps = list(RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]))
        look = max(look, gaps[-1][1] if gaps else 0)
        return gaps + ([(look, until)] if until - look > GAP_NS else [])
