"""The address guard at connect time: what creation let through is judged again before each attempt."""

import pytest

STACK = {"allow_nets": ""}


def smuggle(project, url):
    """A webhook whose row is changed behind the API's back, as a rule that became stricter would find it."""
    hook = project.webhook("https://example.com/", maxAttempts=3)
    project.stack.sql("UPDATE webhooks SET url = %s WHERE project_id = %s", [url, project.number])
    project.event()
    return hook


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_loopback_is_refused_and_nothing_is_sent(project, peer, host):
    path = peer.path()
    smuggle(project, f"http://{host}:{peer.port}{path}")
    entry = project.wait_entry()
    assert (entry["failureReason"], entry["classification"]) == ("address_refused", "permanent")
    assert entry["attemptCount"] == 1 and peer.count(path) == 0


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://192.168.1.1:8080/",
                                 "http://[fd00::1]/", "ftp://example.com/", "file:///etc/passwd"])
def test_private_addresses_and_schemes_are_refused(project, url):
    smuggle(project, url)
    assert project.wait_entry()["failureReason"] == "address_refused"


def test_refusal_tells_no_address(project, peer):
    smuggle(project, f"http://localhost:{peer.port}/")
    entry = project.wait_entry()
    shown = str([entry["lastError"], entry["attempts"]])
    assert "127.0.0.1" not in shown and "::1" not in shown
