"""What the disk takes for a durable write, while something else is measured: run beside it, ended by SIGTERM.

    disk.py DIRECTORY

Writes a page of a file made before and calls fdatasync, as a commit of PostgreSQL does, PER_SECOND times a second. Like
the producer's, its times count from when the write was due, so that a stall is as long for all who waited. Prints one
line of JSON: {"samples", "diskP50Ms", "diskP99Ms", "diskMaxMs"}. Only the standard library.
"""
import json
import os
import signal
import sys
import tempfile
import time

PER_SECOND = 100
PAGE = 8192
PAGES = 512


def main():
    running = True

    def end(_signal, _frame):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, end)
    took = []
    with tempfile.TemporaryFile(dir=sys.argv[1], buffering=0) as file:
        file.write(bytes(PAGE * PAGES))
        os.fsync(file.fileno())
        start = time.monotonic()
        while running:
            due = start + len(took) / PER_SECOND
            time.sleep(max(0, due - time.monotonic()))
            os.pwrite(file.fileno(), b"x" * PAGE, len(took) % PAGES * PAGE)
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - due) * 1000)
    took.sort()
    print(json.dumps({
        "samples": len(took),
        "diskP50Ms": round(took[len(took) // 2], 2),
        "diskP99Ms": round(took[len(took) * 99 // 100], 2),
        "diskMaxMs": round(took[-1], 2),
    }, separators=(",", ":")))


main()
