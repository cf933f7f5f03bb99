"""Asks the office for pages and says how long each took, from the request's first byte to the answer's last.

    asks.py [--requests 500] [--seconds 30] [--beside PATH] [--walk ROWS] [--rate N] <PATHS

Paths come from the standard input, one a line, and are asked for in turn on one kept connection. --beside is asked for
between them: what the same way costs without the query. --walk first turns the pages of the first path until so many
rows lie behind it, and then asks with the cursors found last. The first requests are not counted: they make plans, and
the slowest of them is `coldMs`. --rate: so many a second instead of one after the other, each counted from when it was
due, so that a stall is as long for all who waited. Ends after --seconds whatever is left. An answer that is not 200 is
an error. DLO_URL and DLO_API_KEY come from the environment. Prints one line of JSON. Only the standard library.
"""
import argparse
import gc
import http.client
import itertools
import json
import os
import sys
import time
import urllib.parse

WARM_UP = 12
PAGE = 200
CURSORS = 100
ERRORS_SHOWN = 3


class Office:
    def __init__(self):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(os.environ["DLO_URL"]).netloc, timeout=60)
        self.headers = {"Authorization": "Bearer " + os.environ["DLO_API_KEY"]}
        self.errors = 0

    def get(self, path):
        """The answer's bytes and what they took in ms."""
        start = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - start) * 1000
        if answer.status != 200:
            self.errors += 1
            print(f"asks.py: {answer.status} for {path}: {body[:300]!r}", file=sys.stderr)
            if self.errors == ERRORS_SHOWN:
                raise SystemExit("asks.py: no more of this")
        return body, took


def with_query(path, **more):
    return path + ("&" if "?" in path else "?") + urllib.parse.urlencode(more)


def walk(office, path, rows):
    """Paths that go on behind at least so many rows, or as far as there were any."""
    behind, found, cursor = 0, [], None
    while behind < rows:
        page = json.loads(office.get(with_query(path, limit=PAGE, **({"cursor": cursor} if cursor else {})))[0])
        behind, cursor = behind + len(page["data"]), page["nextCursor"]
        if not cursor:
            break
        found.append(with_query(path, cursor=cursor))
    return found[-CURSORS:], behind


def rows_in(body):
    data = json.loads(body).get("data")
    return len(data) if isinstance(data, list) else 1


def quantile(took, share):
    return round(took[min(int(len(took) * share), len(took) - 1)], 2) if took else None


def summary(took, prefix=""):
    took = sorted(took)
    names = [f"{q}Ms" if not prefix else f"{prefix}{q.upper()}Ms" for q in ("p50", "p99", "max")]
    return dict(zip(names, (quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1))))


def ask(office, args, paths):
    """Times of the paths, and of what is asked for beside them."""
    took, beside = [], []
    start = time.perf_counter()
    for i, path in enumerate(itertools.cycle(paths)):
        due = start + i / args.rate if args.rate else None
        if len(took) >= args.requests or time.perf_counter() - start > args.seconds:
            return took, beside
        if due:
            time.sleep(max(0, due - time.perf_counter()))
        _, ms = office.get(path)
        took.append((time.perf_counter() - due) * 1000 if due else ms)
        if args.beside:
            beside.append(office.get(args.beside)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--beside")
    parser.add_argument("--walk", type=int, default=0)
    args = parser.parse_args()
    paths = [line.strip() for line in sys.stdin if line.strip()]
    if not paths:
        print("asks.py: nothing to ask for", file=sys.stderr)
        return 1
    office, said = Office(), {}
    if args.walk:
        paths, said["behind"] = walk(office, paths[0], args.walk)
    first = [office.get(path) for path in itertools.islice(itertools.cycle(paths), WARM_UP)]
    rows = [rows_in(body) for body, _ in first]
    gc.disable()
    took, beside = ask(office, args, paths)
    print(json.dumps({"requests": len(took), **summary(took), **summary(beside, "beside"),
                      "coldMs": round(max(ms for _, ms in first), 2), "rowsLeast": min(rows), "rowsMost": max(rows),
                      "errors": office.errors, **said}, separators=(",", ":")))
    return 0 if office.errors == 0 and took else 1


if __name__ == "__main__":
    sys.exit(main())
