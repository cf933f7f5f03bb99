"""The address guard at creation, with an empty allow list, on the public suite of hostile URLs."""

import re

import pytest

from harness.process import ROOT

STACK = {"worker": False, "allow_nets": ""}


def cases():
    for line in (ROOT / "tests/unit/ssrf_cases.txt").read_text().splitlines():
        part = line.split("\t")
        if not line.startswith("#") and len(part) >= 3 and part[1] == "url":
            yield part[0], part[2]


def spell(text):
    """The bytes that an input stands for, as latin-1: {A*n} is n letters, \\xNN that byte."""
    text = re.sub(r"\{A\*(\d+)\}", lambda m: "a" * int(m.group(1)), text)
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m.group(1), 16)), text)


CASES = list(cases())


def test_the_suite_is_there():
    assert len(CASES) > 80


@pytest.fixture(scope="module")
def tenant(stack):
    return stack.project()


@pytest.mark.parametrize("verdict, url", CASES, ids=[url[:60] for _, url in CASES])
def test_url(tenant, verdict, url):
    got = tenant.post("/v1/webhooks", {"url": spell(url)})
    if verdict == "ALLOW":
        assert got.status == 201, got
    else:
        assert got.status == 422 and got.pointers() == ["/url"], got


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://localhost/", "http://169.254.169.254/"])
def test_patch_and_subscription_refuse_as_well(tenant, url):
    hook = tenant.webhook("https://example.com/")
    assert tenant.patch(f"/v1/webhooks/{hook['id']}", {"url": url}, headers={"If-Match": "*"}).status == 422
    sent = {"channel": "c", "type": "webhook", "endpoint": {"url": url}}
    assert tenant.post("/v1/subscriptions", sent).status == 422


def test_refusal_shows_no_address_that_was_looked_up(tenant):
    got = tenant.post("/v1/webhooks", {"url": "http://localhost/"})
    assert b"127." not in got.body and b"::1" not in got.body
