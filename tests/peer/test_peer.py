"""The peer itself: that each mode does on the wire what its table says.

Started on an ephemeral port; PEER names the binary (default build/peer). Raw sockets, because most
of what is tested is not HTTP that a client library would show.
"""
import base64
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import urllib.request
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = os.environ.get("PEER", str(ROOT / "build" / "peer"))


class Peer:
    def __init__(self, *args):
        self.process = subprocess.Popen([PEER, *args], stdout=subprocess.PIPE, text=True)
        self.ports = []
        for _ in range(max(1, sum(a.endswith("listen") or a == "--door" for a in args))):
            word, address = self.process.stdout.readline().split()
            self.ports.append(int(address.rsplit(":", 1)[1]))
        self.port = self.ports[0]

    def control(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_control/{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def running():
    peer = Peer("--listen", "127.0.0.1:0")
    yield peer
    peer.stop()


@pytest.fixture
def peer(running):
    running.control("reset", "POST")
    return running


def request(path, body=b"{}", headers=(), method="POST"):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def connect(peer):
    return socket.create_connection(("127.0.0.1", peer.port), timeout=20)


def read_until(sock, enough):
    data = b""
    while not enough(data):
        more = sock.recv(65536)
        if not more:
            break
        data += more
    return data


def exchange(peer, path, limit=1 << 20, **kw):
    """Everything that comes until the peer closes, or the first answer is complete."""
    with connect(peer) as sock:
        sock.sendall(request(path, **kw))
        return read_until(sock, lambda d: len(d) >= limit or complete(d))


def complete(data):
    head, sep, body = data.partition(b"\r\n\r\n")
    if not sep:
        return False
    if head.startswith(b"HTTP/1.1 204"):
        return True
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:") and line.split(b":")[1].strip().isdigit():
            return len(body) >= int(line.split(b":")[1])
    return False


def status(data):
    return int(data.split(b" ")[1])


@pytest.mark.parametrize("path,expected", [
    ("/ok", 204), ("/ok/17", 204), ("/ok?x=1", 204), ("/status/418/w1", 418), ("/gone", 410),
    ("/redirect", 302), ("/json-error", 500), ("/html-error", 502), ("/html-error/404", 404),
    ("/badbytes", 500), ("/big/100", 500), ("/down-until-told/a", 503), ("/rec/status/503", 503),
    ("/headers/2000", 200), ("/echo", 200), ("/early", 204), ("/nowhere", 404), ("/okay", 404),
])
def test_status(peer, path, expected):
    assert status(exchange(peer, path)) == expected


def test_status_takes_body_and_retry_after(peer):
    data = exchange(peer, "/status/429?body=slow%20down&retry-after=7")
    assert b"\r\nRetry-After: 7\r\n" in data and data.endswith(b"slow down")


def test_a_query_cannot_break_the_header(peer):
    assert b"Evil" not in exchange(peer, "/status/429?retry-after=7%0d%0aEvil:1")


def test_big_has_its_size(peer):
    assert len(exchange(peer, "/big/300").partition(b"\r\n\r\n")[2]) == 300 * 1024


def test_keep_alive_and_pipelining(peer):
    with connect(peer) as sock:
        sock.sendall(request("/ok/a") * 3 + request("/status/200?body=end"))
        data = read_until(sock, lambda d: d.endswith(b"end"))
    assert data.count(b"204 No Content") == 3


def test_delay_holds_back_and_keeps_order(peer):
    with connect(peer) as sock:
        start = time.monotonic()
        sock.sendall(request("/delay/300") + request("/status/200?body=end"))
        data = read_until(sock, lambda d: d.endswith(b"end"))
    assert time.monotonic() - start >= 0.29
    assert data.startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize("path", ["/hang", "/hang/x"])
def test_hang_says_nothing(peer, path):
    with connect(peer) as sock:
        sock.settimeout(0.3)
        sock.sendall(request(path, headers=["Connection: close"]))
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_slow_body_drips(peer):
    with connect(peer) as sock:
        sock.sendall(request("/slow-body"))
        head = read_until(sock, lambda d: b"\r\n\r\n" in d)
        assert head.endswith(b"\r\n\r\n")
        assert sock.recv(10) == b"x"


@pytest.mark.parametrize("path", ["/endless-body", "/endless-1xx"])
def test_endless(peer, path):
    assert len(exchange(peer, path, limit=900_000)) >= 900_000 or path == "/endless-1xx"


def test_endless_1xx_goes_on(peer):
    with connect(peer) as sock:
        sock.sendall(request("/endless-1xx"))
        assert read_until(sock, lambda d: len(d) > 500_000).count(b"HTTP/1.1 102") > 5000


def test_close_and_http09_and_garbage(peer):
    assert exchange(peer, "/close") == b""
    assert not exchange(peer, "/http09").startswith(b"HTTP/")
    assert b"\x00" in exchange(peer, "/garbage")
    assert exchange(peer, "/wrong-length").endswith(b"ten bytes.")


RAW = {"http2-preface": b"PRI * HTTP/2.0", "word-status": b"HTTP/1.1 fine", "zero-status": b"HTTP/1.1 000",
       "switching": b"HTTP/1.1 101", "half-status": b"HTTP/1.1 20", "negative-length": b"HTTP/1.1 200",
       "two-lengths": b"HTTP/1.1 200", "cut-chunk": b"HTTP/1.1 200", "nul-status": b"HTTP/1.1 5\0"}


@pytest.mark.parametrize("mode", RAW)
def test_fixed_bytes_and_the_end(peer, mode):
    with connect(peer) as sock:
        sock.sendall(request(f"/{mode}/x"))
        assert read_until(sock, lambda d: False).startswith(RAW[mode])


@pytest.mark.parametrize("path,line", [("/endless-headers", b"\r\na:b"), ("/endless-chunks", b"\r\nx\r\n1;ext"),
                                       ("/endless-trailers", b"\r\na:b"), ("/long-header/2048", b"xxxx"),
                                       ("/long-status/2048", b"xxxx"), ("/transfer-bomb", b"")])
def test_floods(peer, path, line):
    with connect(peer) as sock:
        sock.sendall(request(path))
        data = read_until(sock, lambda d: len(d) > 300_000)
    assert len(data) > 300_000 and data.startswith(b"HTTP/1.1 200 ") and data.count(line) > 100


@pytest.mark.parametrize("path,before", [("/rst-head", b""), ("/rst-status", b"HTTP/1.1 20"),
                                         ("/rst-headers", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Ha")])
def test_resets_at_each_stage(peer, path, before):
    with connect(peer) as sock:
        sock.sendall(request(path))
        assert not before or read_until(sock, lambda d: d == before) == before
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize("path", ["/second-close", "/second-rst"])
def test_second_request_of_a_connection_ends_it(peer, path):
    with connect(peer) as sock:
        sock.sendall(request(path))
        assert status(read_until(sock, complete)) == 204
        sock.sendall(request(path))
        if path == "/second-rst":
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        else:
            assert sock.recv(1) == b""
    assert peer.control(f"count?prefix={path}")["requests"] == 2


def test_doors():
    said = {"silent": None, "mail": b"220 ", "http": b"HTTP/1.1 400 ", "alert": b"\x15\x03\x03", "slow-tls": b"\x16\x03\x03"}
    peer = Peer("--listen", "127.0.0.1:0", *(word for kind in ("reset", "close", *said)
                                            for word in ("--door", f"{kind}@127.0.0.1:0")))
    reset, closed, *speaking = peer.ports[1:]
    with socket.create_connection(("127.0.0.1", closed), timeout=5) as sock:
        assert sock.recv(1) == b""
    with pytest.raises(ConnectionResetError):
        with socket.create_connection(("127.0.0.1", reset), timeout=5) as sock:
            sock.recv(1)
    for port, expected in zip(speaking, said.values()):
        with socket.create_connection(("127.0.0.1", port), timeout=0.3) as sock:
            if expected:
                assert sock.recv(100).startswith(expected)
            with pytest.raises(TimeoutError):
                sock.recv(1) and sock.recv(1)
    peer.stop()


def test_rst(peer):
    with pytest.raises(ConnectionResetError):
        exchange(peer, "/rst")


def test_rst_mid_comes_after_half_a_body(peer):
    with connect(peer) as sock:
        sock.sendall(request("/rst-mid"))
        assert read_until(sock, lambda d: d.endswith(b"half of it"))
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_keepalive_close(peer):
    with connect(peer) as sock:
        sock.sendall(request("/keepalive-close"))
        assert read_until(sock, lambda d: False) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_early_answers_before_the_body(peer):
    with connect(peer) as sock:
        head = b"POST /early HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"
        sock.sendall(head)
        assert read_until(sock, complete).startswith(b"HTTP/1.1 204")
        sock.sendall(b"x" * 100000 + request("/status/200?body=end"))
        assert read_until(sock, lambda d: d.endswith(b"end"))


def test_expect_continue(peer):
    with connect(peer) as sock:
        sock.sendall(b"POST /ok HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert read_until(sock, lambda d: d.endswith(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        sock.sendall(b"abc")
        assert status(read_until(sock, complete)) == 204


def test_mixed_decides_by_the_number_in_the_payload(peer):
    def answers(n):
        name = f"msg_{n}"
        return [status(exchange(peer, "/mixed/50/a", body=b'{"n":%d,"note":"7"}' % n, headers=[f"webhook-id: {name}"]))
                for _ in range(2)]

    assert [answers(n) for n in (0, 149, 150, 199, 200, 350, 399, 400, 650)] == [
        [204, 204], [204, 204], [503, 204], [503, 204], [204, 204], [404, 404], [404, 404], [204, 204], [503, 204]]


def test_flaky_counts_per_webhook_id(peer):
    def send(name):
        return status(exchange(peer, "/flaky/2", headers=[f"webhook-id: {name}"]))
    assert [send("evt_a"), send("evt_a"), send("evt_b"), send("evt_a"), send("evt_a")] == \
        [503, 503, 503, 204, 204]
    count = peer.control("count?prefix=/flaky")
    assert count["requests"] == 5 and count["distinctIds"] == 2 and count["duplicates"] == 3
    assert count["delivered"] == 1 and count["afterSuccess"] == 1


def test_down_until_told(peer):
    assert status(exchange(peer, "/down-until-told/shop/7")) == 503
    peer.control("up?name=shop", "POST")
    assert status(exchange(peer, "/down-until-told/shop/7")) == 204
    peer.control("down?name=shop", "POST")
    assert status(exchange(peer, "/down-until-told/shop")) == 503


def test_gzip_bomb_inflates(peer):
    data = exchange(peer, "/gzip-bomb", limit=1 << 30).partition(b"\r\n\r\n")[2]
    inflate = zlib.decompressobj(wbits=31)
    total = 0
    for at in range(0, len(data), 1 << 16):
        out = inflate.decompress(data[at:at + (1 << 16)])
        assert not out.strip(b"\0")
        total += len(out)
    assert len(data) < 7 << 20 and total > 1 << 30


def test_recording_keeps_headers_and_body(peer):
    body = bytes(range(256))
    exchange(peer, "/rec/ok/1?a=b", body=body, headers=["X-Odd: caf\xe9", "X-Odd: two"])
    exchange(peer, "/ok/1")
    got = peer.control("requests?prefix=/rec/")["requests"]
    assert [g["path"] for g in got] == ["/rec/ok/1?a=b"]
    assert base64.b64decode(got[0]["body"]) == body
    assert [h for h in got[0]["headers"] if h[0] == "X-Odd"] == [["X-Odd", "caf\xe9"], ["X-Odd", "two"]]


def test_ring_forgets_the_oldest(peer):
    with connect(peer) as sock:
        for first in range(0, 10_100, 100):
            sock.sendall(b"".join(request(f"/rec/ok/{n}") for n in range(first, first + 100)))
            read_until(sock, lambda d: d.count(b"204") == 100)
    got = peer.control("requests?prefix=/rec/ok&limit=20000")["requests"]
    assert len(got) == 10_000 and got[0]["path"] == "/rec/ok/100" and got[-1]["path"] == "/rec/ok/10099"


def test_chunked_body_is_joined(peer):
    with connect(peer) as sock:
        sock.sendall(b"POST /rec/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab")
        time.sleep(0.05)
        sock.sendall(b"cd\r\n3\r\nefg\r\n0\r\n\r\n")
        assert read_until(sock, complete).endswith(b"abcdefg")


@pytest.mark.parametrize("head", [
    b"POST /ok HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST /ok HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /ok HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"nonsense\r\n\r\n", b"POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
])
def test_unreadable_requests(peer, head):
    with connect(peer) as sock:
        sock.sendall(head)
        assert status(read_until(sock, lambda d: False)) == 400


def test_oversized(peer):
    with connect(peer) as sock:
        sock.sendall(b"POST /ok HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert status(read_until(sock, lambda d: False)) == 413


def test_latency_is_measured_once_per_id(peer):
    for _ in range(3):
        stamp = time.time_ns() - 5_000_000_000
        exchange(peer, "/ok/l", body=b'{"sentAtNs":%d}' % stamp, headers=["webhook-id: evt_1"])
    latency = peer.control("latency?prefix=/ok")
    assert latency["count"] == 1 and 4900 < latency["p50Ms"] < 10000


def test_ids_can_be_listed(peer):
    for name in ("evt_a", "evt_b", "evt_b"):
        exchange(peer, "/ok/i", headers=[f"webhook-id: {name}"])
    assert peer.control("ids?prefix=/ok/i&limit=1") == {"ids": [["evt_a", 1, True]], "next": 1}
    assert peer.control("ids?prefix=/ok/i&after=1") == {"ids": [["evt_b", 2, True]], "next": 0}


def test_many_ids_are_all_counted(peer):
    total, step = 200_000, 500
    with connect(peer) as sock:
        for _ in range(2):
            for first in range(0, total, step):
                sock.sendall(b"".join(request("/ok/m", headers=[f"webhook-id: evt_{n:026d}"])
                                      for n in range(first, first + step)))
                left = step * len("HTTP/1.1 204 No Content\r\n\r\n")
                while left:
                    left -= len(sock.recv(left))
    count = peer.control("count?prefix=/ok/m")
    assert count["requests"] == 2 * total and count["lost"] == 0
    assert count["deliveries"] == count["distinctIds"] == count["duplicates"] == total


def test_one_id_under_two_paths_is_two_deliveries(peer):
    for path in ("/ok/1", "/ok/2"):
        exchange(peer, path, headers=["webhook-id: evt_a"])
    count = peer.control("count?prefix=/ok")
    assert (count["deliveries"], count["distinctIds"], count["duplicates"]) == (2, 1, 0)


def test_refuses_what_is_not_loopback():
    assert subprocess.run([PEER, "--listen", "10.0.0.1:0"], stderr=subprocess.DEVNULL).returncode == 2


def test_until_eof_ends_with_its_parent():
    process = subprocess.Popen([PEER, "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdin.close()
    assert process.wait(20) == 0


def test_many_hanging_connections_are_not_in_its_way(peer):
    socks = []
    for _ in range(500):
        sock = connect(peer)
        sock.sendall(request("/hang"))
        socks.append(sock)
    assert status(exchange(peer, "/ok")) == 204
    for sock in socks:
        sock.close()


def test_random_bytes_do_not_kill_it(peer):
    import random
    rng = random.Random(7)
    seeds = [request("/rec/ok"), b"POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"]

    def throw():
        for _ in range(150):
            data = bytearray(rng.choice(seeds) * 2)
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            with connect(peer) as sock:
                sock.sendall(bytes(data))
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(2)
                try:
                    read_until(sock, lambda d: False)
                except OSError:
                    pass
    threads = [threading.Thread(target=throw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert status(exchange(peer, "/ok")) == 204


def test_tls(tmp_path):
    import ssl
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-days", "2"],
                   check=True, capture_output=True)
    peer = Peer("--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0",
                "--tls-cert", str(cert), "--tls-key", str(key))
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", peer.ports[1]), timeout=20) as plain:
        with context.wrap_socket(plain) as sock:
            sock.sendall(request("/big/500"))
            assert len(read_until(sock, complete)) > 500 * 1024
            sock.sendall(request("/echo", body=b"y" * 100_000))
            assert read_until(sock, complete).endswith(b"y" * 1000)
    peer.stop()
