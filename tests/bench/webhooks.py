"""Makes the webhooks of a measurement through the API.

    webhooks.py --port PEER_PORT --count N [--disabled] [--path /ok] [--type order.paid] [--net 1] [--https]
                [--transform PROGRAM]

Webhook i sends to 127.NET.x.y, an address of its own as a receiver in the wild has, with a path of
its own (PATH/i), so that the peer counts it apart; it takes events of type TYPE.000i. --disabled:
what comes for it waits. DLO_URL and DLO_API_KEY come from the environment. Only the standard library.
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


def body(args, i):
    scheme = "https" if args.https else "http"
    return json.dumps({
        "url": f"{scheme}://127.{args.net}.{i // 250}.{i % 250 + 1}:{args.port}{args.path}/{i}",
        "eventTypes": [f"{args.type}.{i:04}"],
        "retrySchedule": [1],
        "enabled": not args.disabled,
        **({"transform": args.transform} if args.transform else {}),
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
    parser.add_argument("--path", default="/ok")
    parser.add_argument("--type", default="order.paid")
    parser.add_argument("--net", type=int, default=1)
    parser.add_argument("--https", action="store_true")
    parser.add_argument("--transform")
    args = parser.parse_args()
    shares = [itertools.islice(range(args.count), first, None, CALLERS) for first in range(CALLERS)]
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(lambda share: make(args, share), shares))
    return 0


if __name__ == "__main__":
    sys.exit(main())
