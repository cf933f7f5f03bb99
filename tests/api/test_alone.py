"""dlo.fcgi as a web server starts it (mod_fcgid, lighttpd's bin-path): one process with the socket on descriptor 0."""

import socket
import subprocess

import pytest

from harness.client import Client
from harness.process import find, own
from harness.stack import free_port
from harness.wait import eventually

CONFIG = """
server.modules = ("mod_fastcgi")
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{base}"
server.upload-dirs = ("{base}/upload")
server.error-handler = "/v1/-"
fastcgi.server = ("/" => ((
    "bin-path" => "{program} --config {config}", "socket" => "{base}/alone.sock", "max-procs" => 2,
    "check-local" => "disable", "fix-root-scriptname" => "enable",
)))
"""


@pytest.fixture(scope="module")
def alone(stack):
    """A port behind which lighttpd has started the responders itself."""
    port = free_port()
    config = stack.base / "alone.conf"
    config.write_text(CONFIG.format(port=port, base=stack.base, program=stack.cluster.programs / "dlo.fcgi",
                                    config=stack.config))
    own(config)
    web = stack.start_process("alone", [find("lighttpd"), "-D", "-f", config])

    def listens():
        assert web.alive(), web.tail()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    eventually(listens)
    return port


def test_event_is_taken_and_delivered(alone, project, peer):
    path = peer.path()
    project.webhook(peer.url(path))
    got = Client(alone, project.key).post("/v1/events", {"eventType": "t", "payload": 1})
    assert got.status == 202
    assert peer.wait(path)[0].headers["webhook-id"] == got.json()["eventId"]


def test_desk_is_the_same_process(alone, project, peer):
    entry = project.dead_letter(peer)
    web = Client(alone, project.key)
    assert web.get(f"/v1/dlq/{entry['id']}").json()["id"] == entry["id"]
    assert web.get("/v1/nope").status == 404 and web.get("/healthz").status == 200


def test_post_without_a_body(alone, project):
    hook = project.webhook("https://example.com/")
    done = subprocess.run(["curl", "-s", "-X", "POST", "-H", f"Authorization: Bearer {project.key}",
                           f"http://127.0.0.1:{alone}/v1/webhooks/{hook['id']}/pause"], capture_output=True, text=True)
    assert '"paused":true' in done.stdout
