"""What must come of a fault while it lasts, apart from the overlap that must never be.

`see(case)` waits for it, and raises AssertionError with what was seen instead. Times are bounds that
follow from the configuration plus SLACK_S of a busy machine; the outage itself is measured by the
witness's records and told, not judged, unless a bound says so.
"""

from dataclasses import dataclass

from lib.failover import GONE_NS, boottime_ns
from lib.waiting import GaveUp, wait_until

SLACK_S = 1.5
DRIFT = 1.001


@dataclass
class Stays:
    """The same site serves on, in the same epoch and with the same process, for so long."""
    seconds: float
    word = "stays"

    def see(self, case):
        case.wait_ms(self.seconds * 1000)
        wait_until(case.lab.serving, 1, f"{case.leader} to serve", 0.005)
        case.check_same_term()


@dataclass
class Moves:
    """Another site serves, in a higher epoch, after the configured silence (or `within` seconds)."""
    within: float = None
    word = "moves"

    def see(self, case):
        # The last heartbeat, silence, the claim; a second candidate waits 2T longer.
        bound = self.within or (DRIFT * case.seconds("failover_timeout_ms")
                                + 4 * case.seconds("heartbeat_interval_ms") + SLACK_S)
        wait_until(lambda: [name for name, epoch in case.lab.serving().items()
                            if name != case.leader and epoch > case.epoch],
                   bound, "another site to serve", 0.005)
        case.wait_ms(1000)  # long enough to see it if the old leader serves on


@dataclass
class Stops:
    """The leader stops in time, and nobody serves as long as the fault lasts, which is so long."""
    seconds: float
    word = "holds"

    def see(self, case):
        wait_until(lambda: not case.lab.serving(GONE_NS), case.longest_lease_s() + SLACK_S,
                   "nobody to serve", 0.005)
        try:
            who = wait_until(case.lab.serving, self.seconds - (boottime_ns() - case.began_ns) / 1e9, "",
                             0.02)
        except GaveUp:
            return
        raise AssertionError(f"{who} serves, though nobody can hold the lease")


@dataclass
class Returns:
    """A site serves: the same one went on or is back, or another one took over."""
    within: float
    word = "returns"

    def see(self, case):
        case.wait_ms(case.longest_lease_s() * 1000)  # so long a leader may go on that is about to stop
        case.lab.wait_leader(self.within)
