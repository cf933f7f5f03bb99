"""A small HTTP client that adds nothing by itself: what a test sends is what goes over the wire.

One kept connection per thread and client. Bodies: bytes as they are, anything else as JSON with its content type.
"""

import http.client
import json
import socket
import threading
import urllib.parse


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of a problem, else None."""
        return self.json().get("code") if self.headers.get("content-type", "").endswith("json") else None

    def pointers(self):
        return [e["pointer"] for e in self.json().get("errors", [])]

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Client:
    def __init__(self, port, key=None, headers=None, timeout=70):
        self.port = port
        self.timeout = timeout
        self.key = key
        self.always = dict(headers or {})
        self.local = threading.local()

    def with_headers(self, **headers):
        return Client(self.port, self.key, {**self.always, **headers})

    def connection(self):
        if not hasattr(self.local, "conn"):
            self.local.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        return self.local.conn

    def call(self, method, path, body=None, headers=None, key=..., query=None):
        sent = {**self.always, **(headers or {})}
        key = self.key if key is ... else key
        if key:
            sent.setdefault("Authorization", f"Bearer {key}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.exchange(method, path, body, sent)

    def exchange(self, method, path, body, headers):
        """Once more on a new connection if a kept one was closed before it answered a byte."""
        for attempt in (0, 1):
            conn = self.connection()
            reused = conn.sock is not None
            try:
                conn.request(method, path, body, headers)
                got = conn.getresponse()
                data = got.read()
                return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, data)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                conn.close()
                if not reused or attempt:
                    raise
            except Exception:
                conn.close()
                raise

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body=b"", **kw):
        return self.call("POST", path, body, **kw)

    def patch(self, path, body, **kw):
        return self.call("PATCH", path, body, **kw)

    def put(self, path, body, **kw):
        return self.call("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.call("DELETE", path, **kw)


def raw(port, data, finish=False, timeout=20):
    """Sends bytes as they are; everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        sock.sendall(data)
        if finish:
            sock.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while more := sock.recv(65536):
                got += more
        except ConnectionResetError:
            pass
        return got
