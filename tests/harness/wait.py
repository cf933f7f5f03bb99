"""Waiting for a condition instead of sleeping."""

import time

PATIENCE_S = 30  # costs nothing where all is well: a machine may stall for seconds


def eventually(condition, timeout=PATIENCE_S, every=0.02):
    """The first true value of condition(); fails with the last value, or the last AssertionError, when time is up."""
    deadline = time.monotonic() + timeout
    while True:
        last = error = None
        try:
            last = condition()
        except AssertionError as e:
            error = e
        if error is None and last:
            return last
        if time.monotonic() > deadline:
            if error is not None:
                raise error
            raise AssertionError(f"still {last!r} after {timeout} s")
        time.sleep(every)


def stays(condition, seconds, every=0.05):
    """Asserts that condition() holds all the time. For what must not happen; keep `seconds` short."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition()
        time.sleep(every)
