"""Waiting for conditions instead of sleeping."""

import time


class GaveUp(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, timeout, what, interval=0.01):
    """Call `condition` until it returns something true, and return that.

    `what` completes "waited 5.0 s for ...". An exception in the condition counts as "not yet"; the
    last value or exception is told when `timeout` seconds are over. GaveUp and Dead are passed on.
    """
    start = time.monotonic()
    while True:
        try:
            value = condition()
            if value:
                return value
            seen = repr(value)
        except (GaveUp, Dead):
            raise
        except Exception as error:  # not ready yet: told below if it stays so
            seen = f"{type(error).__name__}: {error}"
        if time.monotonic() - start > timeout:
            raise GaveUp(f"waited {timeout:.1f} s for {what}; last: {seen[:2000]}")
        time.sleep(interval)


class Dead(AssertionError):
    """A process that is being waited for has ended: waiting on is pointless."""
