"""Waiting for conditions instead of sleeping."""

import time


class GaveUp(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, timeout, what, interval=0.01, tell=None):
    """Call `condition` until it returns something true, and return that.

    `what` completes "waited 5.0 s for ...". An exception in the condition counts as "not yet"; the
    last value or exception is told when `timeout` seconds are over, and what `tell()` says, if there is
    one. GaveUp and Dead are passed on. The last look begins when time is over, however long the machine
    stood still before.
    """
    start = time.monotonic()
    while True:
        is_over = time.monotonic() - start > timeout
        try:
            value = condition()
            if value:
                return value
            seen = repr(value)
        except (GaveUp, Dead):
            raise
        except Exception as error:  # not ready yet: told below if it stays so
            seen = f"{type(error).__name__}: {error}"
        if is_over:
            raise GaveUp(f"waited {timeout:.1f} s for {what}; last: {seen[:2000]}{told(tell)}")
        time.sleep(interval)


def told(tell):
    """What there is to say when a wait is given up. Failing to say it must not hide that."""
    try:
        return f"\n{tell()}" if tell else ""
    except Exception as error:
        return f"\n(nothing more can be told: {type(error).__name__}: {error})"


class Dead(AssertionError):
    """A process that is being waited for has ended: waiting on is pointless."""
