"""build/peer, the receiver that misbehaves: its ports, its control plane, and paths that no other test uses."""

import base64
import itertools
import json
import subprocess
import urllib.parse
import urllib.request

from harness.process import BUILD
from harness.wait import PATIENCE_S, eventually


def most_at_once(requests, ms):
    """Of requests that were each answered after so many milliseconds, how many were under way together: never more than the
    sender had, however slow the machine is."""
    steps = sorted([(r.at_ms, 1) for r in requests] + [(r.at_ms + ms - 1, -1) for r in requests])
    return max(itertools.accumulate(step for _, step in steps))


class Request:
    """What arrived at a path under /rec/."""

    def __init__(self, kept):
        self.path = kept["path"]
        self.at_ms = kept["atMs"]
        self.connection = kept["connection"]
        self.method = kept["method"]
        self.header_list = [(name.lower(), value) for name, value in kept["headers"]]
        self.headers = dict(self.header_list)
        self.body = base64.b64decode(kept["body"])


class Peer:
    def __init__(self, certificate=None, client_ca=None, doors=(), address="127.0.0.1"):
        """`certificate`: paths of certificate and key; then there is a second port, tls_port, that speaks TLS, and with
        `client_ca` asks for a certificate of that authority. `doors`: kinds of addresses that misbehave before a
        request was read; their ports are in `door`. `address`: 0.0.0.0 is all of 127.0.0.0/8."""
        command = ["setpriv", "--pdeathsig", "TERM", "--", str(BUILD / "peer"), "--listen", f"{address}:0"]
        if certificate:
            cert, key = certificate
            command += ["--tls-listen", f"{address}:0", "--tls-cert", str(cert), "--tls-key", str(key)]
        if client_ca:
            command += ["--tls-client-ca", str(client_ca)]
        for kind in doors:
            command += ["--door", f"{kind}@127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = self.read_port()
        self.tls_port = self.read_port() if certificate else None
        self.door = {kind: self.read_port() for kind in doors}
        self.numbers = itertools.count(1)

    def read_port(self):
        return int(self.process.stdout.readline().rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def path(self, mode="/ok", record=True):
        """A path of that mode which only one test knows; "?…" of the mode stays at the end."""
        mode, question, query = mode.partition("?")
        return f"{'/rec' if record else ''}{mode}/p{next(self.numbers)}{question}{query}"

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def tls_url(self, path, host="127.0.0.1"):
        return f"https://{host}:{self.tls_port}{path}"

    def door_url(self, kind, path="/ok", scheme="http"):
        return f"{scheme}://127.0.0.1:{self.door[kind]}{path}"

    def control(self, what, method="GET", **query):
        url = self.url(f"/_control/{what}?{urllib.parse.urlencode(query)}")
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
            return json.load(answer)

    def count(self, path):
        """Requests to a path (without its query), recorded or not."""
        return self.control("count", prefix=path.partition("?")[0], ids="no")["requests"]

    def requests(self, path, limit=10000):
        """Those recorded, oldest first. Paths that merely begin alike are left out."""
        base = path.partition("?")[0]
        kept = self.control("requests", prefix=base, limit=limit)["requests"]
        return [Request(r) for r in kept if r["path"].partition("?")[0] == base]

    def wait(self, path, n=1, timeout=PATIENCE_S):
        """The first n or more requests to a path."""
        return eventually(lambda: (got := self.requests(path)) and len(got) >= n and got, timeout)

    def overtaken(self, path, arrived):
        """{event: how many had arrived when it was accepted}: how many more came to the path before each. This is a wait in
        turns instead of seconds: a slow machine slows the others just as much."""
        order = eventually(lambda: set(ids := [r.headers["webhook-id"] for r in self.requests(path)]) >= set(arrived) and ids)
        return [order.index(event) - n for event, n in arrived.items()]

    def listed(self, prefix):
        """(webhook-id, how often it came, whether it was answered 2xx) for each path below a prefix."""
        after = 0
        while True:
            page = self.control("ids", prefix=prefix, after=after, limit=50000)
            yield from page["ids"]
            after = page["next"]
            if not after:
                return

    def ids(self, prefix):
        """{webhook-id: how often it came} below a prefix."""
        found = {}
        for name, times, _ in self.listed(prefix):
            found[name] = found.get(name, 0) + times
        return found

    def delivered(self, prefix):
        """The webhook-ids that were answered 2xx."""
        return {name for name, _, answered in self.listed(prefix) if answered}
