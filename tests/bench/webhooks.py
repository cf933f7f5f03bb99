"""Makes the webhooks of a measurement through the API.

    webhooks.py --port PEER_PORT --count N [--disabled] [--failing]

Webhook i sends to 127.1.x.y, an address of its own as a receiver in the wild has, with a path of
its own, so that the peer counts it apart; it takes events of type order.paid.000i. --disabled: what
comes for it waits. --failing: of ten, one answers 503 first and is tried again after a second, one
always answers 404. DLO_URL and DLO_API_KEY come from the environment. Only the standard library.
"""
import argparse
import concurrent.futures
import http.client
import itertools
import json
import os
import sys
import urllib.parse

CALLERS = 4
PATHS = {0: "/flaky/1/{}", 1: "/status/404/{}"}  # of ten, with --failing


def body(args, i):
    path = PATHS.get(i % 10, "/ok/{}") if args.failing else "/ok/{}"
    return json.dumps({
        "url": f"http://127.1.{i // 250}.{i % 250 + 1}:{args.port}{path.format(i)}",
        "eventTypes": [f"order.paid.{i:04}"],
        "retrySchedule": [1],
        "enabled": not args.disabled,
    })


def make(args, numbers):
    """One caller on one connection, until no number is left."""
    office = http.client.HTTPConnection(urllib.parse.urlsplit(os.environ["DLO_URL"]).netloc, timeout=30)
    headers = {"Authorization": "Bearer " + os.environ["DLO_API_KEY"], "Content-Type": "application/json"}
    for i in numbers:
        office.request("POST", "/v1/webhooks", body(args, i), headers)
        answer = office.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise SystemExit(f"webhooks.py: {answer.status} {text.decode(errors='replace')}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--disabled", action="store_true")
    parser.add_argument("--failing", action="store_true")
    args = parser.parse_args()
    shares = [itertools.islice(range(args.count), first, None, CALLERS) for first in range(CALLERS)]
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(lambda share: make(args, share), shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
