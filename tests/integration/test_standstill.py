"""What tests that measure time take out of it, and how they wait on a machine that stands still."""

import signal
import time

import pytest

from lib.failover import boottime_ns
from lib.standstill import Standstill
from lib.waiting import GaveUp, wait_until

STOOD_NS = 300_000_000


@pytest.fixture
def still(folder):
    still = Standstill(folder)
    yield still
    still.close()


def went_on(still, instant):
    """When it did, once that is over."""
    end = still.goes_on(instant)
    return end if instant < end < still._last_look() else None


def test_the_time_in_which_it_stood_still_was_not_lived(still):
    began = boottime_ns()
    still._process.signal(signal.SIGSTOP)
    wait_until(lambda: boottime_ns() > began + STOOD_NS, 5, "it to stand still for a while")
    assert still.lived_ns(began) < STOOD_NS / 2, "that it goes on is not known yet"
    still._process.signal(signal.SIGCONT)
    ended = wait_until(lambda: went_on(still, began + STOOD_NS // 2), 5, "it to go on")
    assert ended >= began + STOOD_NS * 0.9
    wait_until(lambda: boottime_ns() > ended + STOOD_NS, 5, "it to look on for a while")
    assert still.lived_ns(began, ended) < STOOD_NS / 2 < still.lived_ns(ended)


def test_before_a_wait_is_given_up_it_looks_once_more():
    """The condition came true while nobody could look."""
    looks = []

    def condition():
        looks.append(time.monotonic())
        wait_until(lambda: time.monotonic() > looks[0] + 0.1, 5, "time to pass")  # longer than is waited
        return len(looks) > 1

    assert wait_until(condition, 0.05, "the second look")


def test_a_wait_that_is_given_up_tells_what_was_compared():
    lease, limit = {"counter": 7}, 9
    with pytest.raises(GaveUp) as gave_up:
        wait_until(lambda: lease["counter"] > limit and not lease.get("paused") or "x" in lease["why"], 0.02, "heartbeats")
    assert str(gave_up.value).splitlines()[1:] == [
        "  lease['counter'] = 7", "  limit = 9", "  lease.get('paused') = None", "  lease['why'] = KeyError: 'why'"]


def test_a_wait_that_is_given_up_tells_what_there_is_to_there_is_to_tell():
    with pytest.raises(GaveUp, match="for a miracle; last: False\nit is raining"):
        wait_until(lambda: False, 0.02, "a miracle", tell=lambda: "it is raining")
    with pytest.raises(GaveUp, match="nothing more can be told: ZeroDivisionError"):
        wait_until(lambda: False, 0.02, "a miracle", tell=lambda: 1 / 0)
