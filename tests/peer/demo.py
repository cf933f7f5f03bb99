"""A stream of plausible events to receivers that behave, fail, hang and recover.

    demo.py [--seconds N] [--rate 5] [--recover-after 60]

Reads $DLO_VAR/dlo.env (DLO_VAR defaults to var) for DLO_URL and DLO_API_KEY; variables of the
environment win. Starts the peer, makes one webhook per receiver below or, when an earlier demo made
it, points that one at the new peer, so that old dead letters can be re-driven to somebody who is
there. Runs until Ctrl-C. Only the standard library; talks to nobody but the office and the peer.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PREFIX = "demo: "
GIVE_UP_S = 30

# name, path at the peer (None: a port where nobody listens), settings, what to expect
RECEIVERS = [
    ("shop backend", "/ok/shop", {"eventTypes": ["order.*"]}, "takes everything"),
    ("data lake", "/delay/150/lake", {}, "all events, 150 ms each"),
    ("search index", "/flaky/1/search", {"eventTypes": ["order.paid"]},
     "fails the first time, takes the first retry"),
    ("accounting", "/json-error/accounting", {"eventTypes": ["invoice.*"]}, "500 with a JSON error"),
    ("legacy ERP", "/hang/erp", {"eventTypes": ["shipment.*"], "timeoutMs": 1000},
     "never answers: timeout"),
    ("CRM", "/rst/crm", {"eventTypes": ["user.*"]}, "resets the connection"),
    ("retired partner", "/html-error/404/partner", {"eventTypes": ["order.refunded"]},
     "404 with a page of HTML: permanent, no retries"),
    ("mailing service", "/status/429/mail?retry-after=2&body=slow%20down",
     {"eventTypes": ["user.created"]}, "429 with Retry-After: 2"),
    ("warehouse", "/down-until-told/warehouse", {"eventTypes": ["shipment.*"]},
     "503 until it recovers"),
    ("fraud check", "/badbytes/fraud", {"customerExternalIds": ["cus_1007"]},
     "500 with bytes that are no text"),
    ("analytics", None, {"channels": ["billing"]}, "nobody listens: connection refused"),
]
COMMON = {"retrySchedule": [1, 2], "maxAttempts": 3}

FIRST = ["Ada", "Björn", "Chiara", "Deniz", "Eva", "Farid", "Grace", "Hélène", "Ivan", "Joana"]
LAST = ["Lovelace", "Åkesson", "Rossi", "Yılmaz", "Novák", "Haddad", "Hopper", "Dubois", "Petrov"]
GOODS = [("SKU-1042", "Espresso cups, set of 6", 2490), ("SKU-2001", "Wool blanket", 8900),
         ("SKU-3310", "Desk lamp", 5450), ("SKU-0007", "Notebook, dotted, A5", 1290)]
CARRIERS = ["DHL", "PostNord", "UPS", "Correos"]
REASONS = ["damaged", "wrong size", "changed mind", "arrived late"]


class Refused(Exception):
    """The office answered, with a problem."""


class Office:
    def __init__(self, url, key):
        self.url = url.rstrip("/")
        self.key = key
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, path, body=None, headers=()):
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        try:
            with self.opener.open(request, timeout=15) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {problem_of(error)}") from error

    def patiently(self, method, path, body):
        """As call, through a restart of the office; a problem other than 429 and 503 ends it."""
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return self.call(method, path, body)
            except Refused as error:
                status = getattr(error.__cause__, "code", 0)
                if status not in (429, 502, 503, 504) or time.monotonic() > deadline:
                    raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def webhooks(self):
        cursor = None
        while True:
            query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
            page = self.call("GET", "/v1/webhooks?" + urllib.parse.urlencode(query))
            yield from page["data"]
            cursor = page.get("nextCursor")
            if not cursor:
                return


def problem_of(error):
    try:
        problem = json.loads(error.read())
        details = "; ".join(f"{e.get('pointer')}: {e.get('detail')}" for e in problem.get("errors") or [])
        return " ".join(str(x) for x in (problem.get("code"), problem.get("detail"), details) if x)
    except ValueError:
        return error.reason


# ---- receivers ----

def start_peer():
    """The peer and its port; it ends when this program does, whatever way."""
    binary = os.environ.get("PEER", str(ROOT / "build" / "peer"))
    peer = subprocess.Popen([binary, "--listen", "127.0.0.1:0", "--until-eof"], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    line = peer.stdout.readline().split()
    if len(line) != 2:
        sys.exit("demo: the peer did not start")
    return peer, int(line[1].rsplit(":", 1)[1])


def tell_peer(port, what):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_control/{what}", method="POST")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).close()


def closed_port():
    """A port that refuses: bound, so that nobody else gets it, and never listening."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder


def prepare_webhooks(office, port, refused_port):
    known = {w.get("name"): w["id"] for w in office.webhooks()}
    print("Receivers:")
    for name, path, settings, about in RECEIVERS:
        url = f"http://127.0.0.1:{port}{path}" if path else f"http://127.0.0.1:{refused_port}/analytics"
        wanted = {"url": url, "name": PREFIX + name} | COMMON | settings
        if PREFIX + name in known:
            webhook_id = known[PREFIX + name]
            office.call("PATCH", f"/v1/webhooks/{webhook_id}", wanted, [("If-Match", "*")])
        else:
            webhook_id = office.call("POST", "/v1/webhooks", wanted)["id"]
        print(f"  {name:16} {webhook_id}  {about}")


# ---- events ----

def customer(rng):
    n = rng.randrange(1000, 1020)
    name = f"{FIRST[n % len(FIRST)]} {LAST[n % len(LAST)]}"
    return f"cus_{n}", {"id": f"cus_{n}", "name": name, "country": rng.choice(["SE", "DE", "IT", "FR"])}


def order_paid(rng, n, who):
    lines = [{"sku": sku, "title": title, "quantity": rng.randrange(1, 4), "unitPriceCents": cents}
             for sku, title, cents in rng.sample(GOODS, rng.randrange(1, 4))]
    total = sum(x["quantity"] * x["unitPriceCents"] for x in lines)
    return "orders", {"id": f"ord_{n:06d}", "customer": who, "lines": lines, "totalCents": total,
                      "currency": "EUR", "payment": {"method": rng.choice(["card", "invoice", "swish"])}}


def order_refunded(rng, n, who):
    return "orders", {"id": f"ord_{n - rng.randrange(1, 50):06d}", "customer": who,
                      "refundCents": rng.randrange(500, 20000), "reason": rng.choice(REASONS)}


def user_created(rng, n, who):
    return "users", {"id": f"usr_{n:06d}", "customer": who, "plan": rng.choice(["free", "team"]),
                     "email": f"user{n}@example.com", "marketing": rng.random() < 0.3}


def invoice_finalized(rng, n, who):
    net = rng.randrange(5000, 90000)
    return "billing", {"id": f"inv_2026_{n:06d}", "customer": who, "netCents": net,
                       "taxCents": net * 25 // 100, "dueInDays": 30, "lines": rng.randrange(1, 9)}


def shipment_delayed(rng, n, who):
    return "logistics", {"id": f"shp_{n:06d}", "orderId": f"ord_{n - 5:06d}", "customer": who,
                         "carrier": rng.choice(CARRIERS), "delayHours": rng.randrange(4, 96),
                         "note": "Zustellung verzögert, neuer Versuch morgen"}


KINDS = {"order.paid": (order_paid, 45), "order.refunded": (order_refunded, 10),
         "user.created": (user_created, 15), "invoice.finalized": (invoice_finalized, 15),
         "shipment.delayed": (shipment_delayed, 15)}


def make_event(rng, n, run):
    kind = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    who, details = customer(rng)
    channel, payload = KINDS[kind][0](rng, n, details)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    return {"eventType": kind, "payload": payload, "channel": channel, "customerExternalId": who,
            "externalId": f"demo_{run}_{n}", "occurredAt": now.replace("+00:00", "Z"),
            "metadata": {"source": "demo"}}


def stream(office, port, options):
    rng, run = random.Random(), int(time.time())
    start = time.monotonic()
    recovered = False
    sent = 0
    while options.seconds is None or time.monotonic() - start < options.seconds:
        due = start + sent / options.rate
        time.sleep(max(0, due - time.monotonic()))
        sent += 1
        office.patiently("POST", "/v1/events", make_event(rng, run % 100_000 + sent, run))
        if not recovered and time.monotonic() - start > options.recover_after:
            tell_peer(port, "up?name=warehouse")
            recovered = True
            print("The warehouse has recovered: its dead letters can be re-driven and will arrive.")
        if sent % max(1, round(options.rate * 10)) == 0:
            print(f"{sent} events sent, {open_entries(office)} dead letters open")


# ---- the rest ----

def open_entries(office):
    try:
        return office.call("GET", "/v1/dlq?limit=1&count=exact").get("total", "?")
    except (Refused, OSError):
        return "?"


def read_env():
    path = pathlib.Path(os.environ.get("DLO_VAR", "var")) / "dlo.env"
    values = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            key, sep, value = line.partition("=")
            if sep and not line.startswith("#"):
                values[key.strip()] = value.strip().strip("'\"")
    values |= {k: v for k, v in os.environ.items() if k in ("DLO_URL", "DLO_API_KEY")}
    if not values.get("DLO_URL") or not values.get("DLO_API_KEY"):
        sys.exit(f"demo: no DLO_URL and DLO_API_KEY in {path}: is the office running (make run)?")
    return values, path


def print_guide(values, path, options):
    print(f"""
Events flow at {options.rate:g} a second; dead letters appear within seconds. Look at:
  {values['DLO_URL']}/   the dashboard (login and password are in {path})
  . {path}; curl -s "$DLO_URL/v1/dlq?count=exact" -H "Authorization: Bearer $DLO_API_KEY"
In {options.recover_after:g} s the warehouse recovers: re-drive its entries then and see them resolve.
Ctrl-C ends the events and the receivers; start the demo again before re-driving to them.
""", flush=True)


def read_options():
    parser = argparse.ArgumentParser(description="events and receivers to try the office with")
    parser.add_argument("--seconds", type=float, help="stop after so long (default: Ctrl-C)")
    parser.add_argument("--rate", type=float, default=5, help="events a second")
    parser.add_argument("--recover-after", type=float, default=60, help="seconds the warehouse is down")
    options = parser.parse_args()
    if options.rate <= 0:
        parser.error("--rate must be positive")
    return options


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    sys.stdout.reconfigure(line_buffering=True)
    options = read_options()
    values, path = read_env()
    office = Office(values["DLO_URL"], values["DLO_API_KEY"])
    signal.signal(signal.SIGTERM, interrupt)
    peer, port = start_peer()
    with closed_port() as refused:
        try:
            prepare_webhooks(office, port, refused.getsockname()[1])
            print_guide(values, path, options)
            stream(office, port, options)
        except KeyboardInterrupt:
            pass
        except (Refused, OSError) as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
        finally:
            peer.terminate()
            peer.wait(10)
    print(f"\nThe demo has ended; {open_entries(office)} dead letters are open.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
