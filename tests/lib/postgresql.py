"""A client of PostgreSQL that writes all the time, and what the writes that were acknowledged say.

    with Writers({"site-a": "10.77.0.21", "site-b": "10.77.0.22"}, psql) as writers:
        writers.wait_acknowledged("site-a")
        ...
    writers.check_never_two()           # no write of an old primary beside one of a new one
    writers.acknowledged()              # the numbers that have to be there

Each site has a writer of its own that knows nothing of who leads, so a server that takes writes is seen to,
whichever it is. Every number is written once; one whose outcome is unknown is never tried again.
"""

import itertools
import select
import subprocess
import threading
from dataclasses import dataclass

from .failover import boottime_ns
from .processes import environment
from .waiting import wait_until

PORT, DATABASE, USER = 5432, "postgres", "client"
TABLE = "CREATE TABLE written (n bigint PRIMARY KEY)"
PAUSE_S = 0.01  # between two writes; of a writer that is refused, ten times that
ANSWER_S = 3    # a write that waits for a standby, or a host that is cut off, may never answer


@dataclass(frozen=True)
class Write:
    """Acknowledged. The timeline is the term of its primary: a promotion begins a new one."""
    site: str
    number: int
    timeline: int
    sent_ns: int
    acknowledged_ns: int


class Refused(Exception):
    """Not acknowledged: whether it is stored nobody knows."""


class Connection:
    def __init__(self, psql, host):
        self.process = subprocess.Popen(
            [psql, "-XAtq", "-d", f"host={host} port={PORT} dbname={DATABASE} user={USER} connect_timeout=2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(),
            start_new_session=True)

    def write(self, number):
        """Returns (acknowledged at, timeline)."""
        self._say(f"INSERT INTO written VALUES ({number});\n\\echo :ERROR\n")
        if self._answer() != "false":
            raise Refused
        when = boottime_ns()
        self._say("SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8);\n")
        return when, int(self._answer(), 16)

    def _say(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except OSError:
            raise Refused from None

    def _answer(self):
        if not select.select([self.process.stdout], [], [], ANSWER_S)[0]:
            raise Refused
        line = self.process.stdout.readline().decode().strip()
        if not line:  # the connection is gone
            raise Refused
        return line

    def close(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass  # what was not sent is not missed


class Writers:
    def __init__(self, hosts, psql):
        self.hosts, self.psql = hosts, psql
        self.writes, self.numbers, self.over = [], itertools.count(1), threading.Event()
        self.threads = [threading.Thread(target=self._write_to, args=item, daemon=True)
                        for item in hosts.items()]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _write_to(self, site, host):
        while not self.over.is_set():
            connection = Connection(self.psql, host)
            try:
                while not self.over.wait(PAUSE_S):
                    number, sent = next(self.numbers), boottime_ns()
                    acknowledged, timeline = connection.write(number)
                    self.writes.append(Write(site, number, timeline, sent, acknowledged))
            except Refused:
                self.over.wait(10 * PAUSE_S)
            finally:
                connection.close()

    # -- what they say ------------------------------------------------------------------------------

    def serving(self, within_ns=1_000_000_000):
        """Sites with an acknowledged write just now."""
        since = boottime_ns() - within_ns
        return sorted({w.site for w in list(self.writes) if w.acknowledged_ns > since})

    def wait_acknowledged(self, site, timeout=60):
        """Until this site alone takes writes, by one that was sent from now on."""
        now = boottime_ns()
        wait_until(lambda: any(w.site == site and w.sent_ns > now for w in list(self.writes))
                   and self.serving() == [site], timeout, f"{site} alone to take writes")

    def forget(self, site):
        """What was acknowledged there need not be anywhere."""
        self.writes = [w for w in self.writes if w.site != site]

    def acknowledged(self):
        return {w.number for w in list(self.writes)}

    def terms(self):
        """[(site, timeline)] in the order in which they served."""
        return list(dict.fromkeys((w.site, w.timeline) for w in sorted(
            list(self.writes), key=lambda w: w.acknowledged_ns)))

    def check_never_two(self):
        """No write of an old primary was acknowledged after one of a new one."""
        assert self.writes, "nothing was written"
        first = {}
        for write in list(self.writes):
            now = first.get(write.timeline, write)
            first[write.timeline] = min(now, write, key=lambda w: w.acknowledged_ns)
        for new in first.values():
            late = [w for w in list(self.writes)
                    if w.timeline < new.timeline and w.acknowledged_ns >= new.acknowledged_ns]
            assert not late, f"two servers took writes: {late[0]} after {new}"
        sites = {}
        for site, timeline in self.terms():
            assert sites.setdefault(timeline, site) == site, f"two sites served on timeline {timeline}: {self.terms()}"

    def outage_ms(self, since_ns):
        """The longest time from `since_ns` on in which no write was acknowledged anywhere."""
        times = [since_ns, *sorted(w.acknowledged_ns for w in list(self.writes) if w.acknowledged_ns > since_ns)]
        return max(b - a for a, b in zip(times, times[1:])) / 1e6
