"""GET /v1/dlq/{id}/diff: what differs between two attempts."""

import base64
import json

import pytest


class Story:
    """An entry whose attempts a test writes itself."""

    def __init__(self, stack, project, peer):
        self.stack, self.project = stack, project
        self.entry = project.dead_letter(peer)["id"]

    def tell(self, *answers):
        """One attempt for each (status, headers, body)."""
        attempts = [{"n": n, "kind": 0, "at": "2026-11-22T10:00:00Z", "outcome": 2 if n == len(answers) else 1, "reason": 2,
                     "statusCode": status, "requestUrl": "http://x/", "requestHeaders": f"dlo-attempt: {n}\nwebhook-id: e\n",
                     "responseHeaders": headers, "responseBody": base64.b64encode(body).decode(), "truncated": False,
                     "dnsUs": 0, "connectUs": 100 * n, "tlsUs": 0, "ttfbUs": 500, "totalUs": 1000 * n}
                    for n, (status, headers, body) in enumerate(answers, 1)]
        self.stack.sql("UPDATE dead_letter_bodies SET attempts = %s WHERE project_id = %s",
                       [json.dumps(attempts), self.project.number])

    def diff(self, query=""):
        got = self.project.get(f"/v1/dlq/{self.entry}/diff{query}")
        assert got.status == 200, got
        return got.json()


@pytest.fixture(scope="module")
def story(stack, peer):
    return Story(stack, stack.project(), peer)


def test_status_headers_and_timing(story):
    story.tell((503, "server: a\nretry-after: 1\n", b"x"), (500, "server: b\nx-new: 1\n", b"x"))
    diff = story.diff("?a=1&b=2")
    assert (diff["a"], diff["b"]) == (1, 2)
    assert diff["changed"]["statusCode"] == {"a": 503, "b": 500}
    assert diff["response"]["headers"] == {"added": {"x-new": "1"}, "removed": {"retry-after": "1"},
                                           "changed": {"server": {"a": "a", "b": "b"}}}
    assert diff["request"]["headers"]["changed"] == {"dlo-attempt": {"a": "1", "b": "2"}}
    assert diff["timing"]["totalMs"] == {"a": 1.0, "b": 2.0, "delta": 1.0}
    assert diff["response"]["body"]["equal"] is True


def test_json_bodies_are_compared_by_path(story):
    story.tell((500, "", b'{"id":1,"a/b":{"x":[1,2]},"gone":true,"same":{"k":[]}}'),
               (500, "", b'{"same":{"k":[]},"id":2,"a/b":{"x":[1,2,3]},"came":null}'))
    body = story.diff()["response"]["body"]
    assert body["kind"] == "json" and body["equal"] is False and body["changesTruncated"] is False
    assert sorted(body["changes"], key=lambda c: c["path"]) == [
        {"op": "added", "path": "/a~1b/x/2", "b": 3}, {"op": "added", "path": "/came", "b": None},
        {"op": "removed", "path": "/gone", "a": True}, {"op": "changed", "path": "/id", "a": 1, "b": 2}]


def test_order_of_members_is_no_difference(story):
    story.tell((500, "", b'{"a":1,"b":2}'), (500, "", b' {"b":2, "a":1}'))
    assert story.diff()["response"]["body"]["equal"] is True


def test_other_bodies_are_compared_by_line(story):
    story.tell((500, "", b"one\ntwo\nthree\nfour\n"), (500, "", b"one\n2\nthree\nfour\nfive\n"))
    body = story.diff()["response"]["body"]
    assert body["kind"] == "text" and body["changes"] == [
        {"op": "removed", "line": 2, "text": "two"}, {"op": "added", "line": 2, "text": "2"},
        {"op": "added", "line": 5, "text": "five"}]


def test_json_against_text_is_text(story):
    story.tell((500, "", b'{"a":1}'), (502, "", b"<html>"))
    body = story.diff()["response"]["body"]
    assert body["kind"] == "text" and len(body["changes"]) == 2


def test_bytes_are_only_told_apart(story):
    story.tell((500, "", b"\xff\x00"), (500, "", b"\xff\x01"))
    assert story.diff()["response"]["body"] == {"kind": "binary", "equal": False, "changes": [], "changesTruncated": False}


def test_changes_are_bounded(story):
    story.tell((500, "", json.dumps(list(range(2000))).encode()), (500, "", json.dumps(list(range(1, 2001))).encode()))
    body = story.diff()["response"]["body"]
    assert len(body["changes"]) == 500 and body["changesTruncated"] is True
    story.tell((500, "", b"a\n" * 20000 + b"b"), (500, "", b"c\n" * 20000 + b"d"))
    body = story.diff()["response"]["body"]
    assert len(body["changes"]) == 500 and body["changesTruncated"] is True


def test_deep_json_is_compared_as_text_or_json(story):
    deep = b"[" * 30000 + b"]" * 30000
    story.tell((500, "", deep), (500, "", deep.replace(b"]", b"1]", 1)))
    assert story.diff()["response"]["body"]["equal"] is False


def test_first_and_last_unless_asked_otherwise(story):
    story.tell((500, "", b""), (501, "", b""), (502, "", b""))
    assert [(d["a"], d["b"]) for d in (story.diff(), story.diff("?a=2"), story.diff("?a=3&b=1"))] == [(1, 3), (2, 3), (3, 1)]


@pytest.mark.parametrize("query, status", [("?a=9", 404), ("?b=x", 400), ("?a=-1", 400), ("?c=1", 400)])
def test_no_such_attempt(story, query, status):
    assert story.project.get(f"/v1/dlq/{story.entry}/diff{query}").status == status
