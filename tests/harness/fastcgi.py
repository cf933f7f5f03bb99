"""One FastCGI request straight to a responder's socket: what a web server would never pass on."""

import socket
import struct

BEGIN, PARAMS, STDIN, STDOUT, END = 1, 4, 5, 6, 3


def record(kind, content=b""):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    return struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name.encode() + value.encode()


def exactly(sock, n):
    got = b""
    while len(got) < n:
        more = sock.recv(n - len(got))
        assert more, "the responder closed the connection"
        got += more
    return got


def call(path, params, body=b"", timeout=10):
    """The bytes that came back on STDOUT."""
    sent = record(BEGIN, struct.pack(">HB5x", 1, 0)) + record(PARAMS, b"".join(pair(*p) for p in params.items()))
    sent += record(PARAMS) + (record(STDIN, body) if body else b"") + record(STDIN)
    out = b""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        sock.sendall(sent)
        while True:
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", exactly(sock, 8))
            content = exactly(sock, length + padding)[:length]
            if kind == END:
                return out
            if kind == STDOUT:
                out += content
