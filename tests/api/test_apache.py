"""The same responders behind Apache with mod_proxy_fcgi, as conf/apache/dlo.conf sets it up."""

import glob
import socket

import pytest

from harness.client import Client, raw
from harness.process import ROOT, find, own
from harness.stack import free_port
from harness.wait import eventually

STACK = {"worker": False}
MODULES = (glob.glob("/usr/lib/apache2/modules") + [""])[0]
pytestmark = pytest.mark.skipif(not (find("apache2") and MODULES), reason="Apache is not installed")

CONFIG = """
ServerRoot {base}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {base}/apache.pid
ErrorLog {base}/apache-error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_fcgi_module {modules}/mod_proxy_fcgi.so
LoadModule headers_module {modules}/mod_headers.so
<VirtualHost 127.0.0.1:{port}>
{ours}
</VirtualHost>
"""
EVENT = b'{"eventType":"order.paid","payload":{"n":1.10}}'


@pytest.fixture(scope="module")
def port(stack):
    port = free_port()
    ours = (ROOT / "conf/apache/dlo.conf").read_text().replace("@PREFIX@/share/dlo/web", str(ROOT / "web"))
    ours = ours.replace("/run/dlo/intake.sock", f"{stack.base}/fcgi/intake.sock")
    ours = ours.replace("/run/dlo/desk.sock", f"{stack.base}/fcgi/desk.sock")
    config = stack.base / "apache.conf"
    config.write_text(CONFIG.format(base=stack.base, port=port, modules=MODULES, ours=ours))
    own(config)
    server = stack.start_process("apache", [find("apache2"), "-DFOREGROUND", "-f", config])

    def listens():
        assert server.alive(), server.tail()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    eventually(listens)
    return port


@pytest.fixture
def web(port, project):
    """The project through Apache."""
    return Client(port, project.key)


def head(project, length):
    return (f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {project.key}\r\n"
            f"Content-Type: application/json\r\n{length}\r\nConnection: close\r\n\r\n").encode()


def test_event_is_taken(web, project):
    assert web.post("/v1/events", EVENT, headers={"Content-Type": "application/json"}).status == 202
    assert bytes(project.stack.value("SELECT payload FROM events WHERE project_id = %s", [project.number])) == b'{"n":1.10}'


def test_desk_answers(web):
    got = web.get("/v1/dlq?count=exact")
    assert got.status == 200 and got.json()["total"] == 0 and got.headers["cache-control"] == "no-store"


def test_authorization_gets_through(web, stack):
    assert web.get("/v1/whoami").status == 200
    assert Client(web.port).get("/v1/whoami").status == 401
    assert Client(web.port).get("/v1/whoami", headers={"X-Dlo-Key": web.key}).status == 200


def test_problem_is_ours(web):
    got = web.get("/v1/nope")
    assert got.status == 404 and got.headers["content-type"] == "application/problem+json"


def test_post_without_a_body(port, project):
    hook = project.webhook("https://example.com/")
    request = (f"POST /v1/webhooks/{hook['id']}/pause HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {project.key}\r\n"
               "Connection: close\r\n\r\n").encode()
    assert b" 200 " in raw(port, request).split(b"\r\n")[0]


def test_chunked_body_is_taken(port, project):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (EVENT[:9], EVENT[9:])) + b"0\r\n\r\n"
    assert b" 202 " in raw(port, head(project, "Transfer-Encoding: chunked") + chunks).split(b"\r\n")[0]
    assert project.rows("events") == 1


def test_body_cut_short_stores_nothing(port, project):
    """Apache hands on what came and no end record: without that it is not the whole body, however whole it looks."""
    answer = raw(port, head(project, f"Content-Length: {len(EVENT) + 5}") + EVENT, finish=True)
    assert not answer or b" 400 " in answer.split(b"\r\n")[0]
    assert project.rows("events") == 0


def test_chunked_body_cut_short_stores_nothing(port, project):
    """What came is a whole event by itself; only the last chunk is missing."""
    chunk = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
    answer = raw(port, head(project, "Transfer-Encoding: chunked") + chunk, finish=True)
    assert not answer or b" 400 " in answer.split(b"\r\n")[0]
    eventually(lambda: Client(port).get("/healthz").status == 200)
    assert project.rows("events") == 0


def test_escaped_slash_reaches_us(web):
    got = web.get("/v1/dlq/a%2Fb")
    assert got.status == 404 and got.headers["content-type"] == "application/problem+json"


def test_health(port):
    assert Client(port).get("/healthz").json()["status"] == "ok"
