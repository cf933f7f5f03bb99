"""One key, one event: externalId, else Idempotency-Key, in a batch key and index; over the window, also at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

STACK = {"worker": False, "intake": 4}


def send(project, payload=1, key=None, **fields):
    headers = {"Idempotency-Key": key} if key else {}
    return project.post("/v1/events", {"eventType": "t", "payload": payload, **fields}, headers=headers)


def batch(project, events, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    got = project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": 1, **e} for e in events]},
                       headers=headers)
    assert got.status == 200, got
    return got.json()["results"]


BY = {"externalId": {"externalId": "x-1"}, "Idempotency-Key": {"key": "k-1"}}


@pytest.mark.parametrize("by", BY)
def test_second_is_a_duplicate_of_the_first(project, by):
    first, second = send(project, **BY[by]), send(project, **BY[by])
    assert first.status == 202 and second.status == 200
    assert second.json() == {"eventId": first.json()["eventId"], "status": "duplicate"}
    assert project.rows("events") == 1


@pytest.mark.parametrize("by", BY)
def test_other_bytes_are_told(project, by):
    first, second = send(project, **BY[by]), send(project, payload=2, **BY[by])
    assert second.status == 200
    assert second.json() == {"eventId": first.json()["eventId"], "status": "duplicate", "bodyDiffers": True}


def test_external_id_goes_before_the_header(project):
    send(project, externalId="a", key="k")
    assert send(project, externalId="b", key="k").status == 202
    assert send(project, externalId="a", key="other").status == 200


def test_external_id_and_header_do_not_meet(project):
    send(project, externalId="same")
    assert send(project, key="same").status == 202


def test_quoted_and_bare_header_are_one_key(project):
    send(project, key="k-1")
    assert send(project, key='"k-1"').status == 200


@pytest.mark.parametrize("key", ["a b", "ü".encode().decode("latin-1"), "k" * 256, '""'])
def test_malformed_header_is_400(project, key):
    got = project.post("/v1/events", {"eventType": "t", "payload": 1}, headers={"Idempotency-Key": key})
    assert got.status == 400
    assert project.rows("events") == 0


def test_key_of_255_characters_is_taken(project):
    assert send(project, key="k" * 255).status == 202
    assert send(project, key="k" * 255).status == 200


def test_other_project_has_its_own_keys(stack, project):
    send(project, externalId="x")
    assert send(stack.project(), externalId="x").status == 202


def test_without_a_key_everything_is_taken(project):
    assert send(project).status == send(project).status == 202
    assert project.rows("events") == 2


def test_duplicate_makes_no_delivery(project):
    project.webhook("https://example.com/")
    send(project, externalId="x")
    send(project, externalId="x")
    assert project.rows("ready") == 1


def test_refused_event_takes_no_key(project):
    assert send(project, externalId="x", channel="$x").status == 422
    assert send(project, externalId="x").status == 202


@pytest.mark.parametrize("by", BY)
def test_forty_at_once_make_one_event(project, by):
    project.webhook("https://example.com/")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(project, **BY[by]), range(40)))
    assert sorted({a.status for a in answers}) == [200, 202]
    assert len([a for a in answers if a.status == 202]) == 1
    assert len({a.json()["eventId"] for a in answers}) == 1
    assert project.rows("events") == project.rows("ready") == 1


def test_batch_repeated_with_its_key_is_all_duplicates(project):
    first = batch(project, [{}, {}, {}], key="b-1")
    second = batch(project, [{}, {}, {}], key="b-1")
    assert [r["status"] for r in second] == ["duplicate"] * 3
    assert [r["eventId"] for r in second] == [r["eventId"] for r in first]
    assert len({r["eventId"] for r in first}) == 3


def test_batch_key_and_single_key_do_not_meet(project):
    batch(project, [{}], key="k")
    assert send(project, key="k").status == 202


def test_same_external_id_twice_in_a_batch(project):
    first, second = batch(project, [{"externalId": "x"}, {"externalId": "x"}])
    assert second["status"] == "duplicate" and second["eventId"] == first["eventId"]
    assert project.rows("events") == 1


def test_batch_and_single_share_external_ids(project):
    one = send(project, externalId="x").json()["eventId"]
    (result,) = batch(project, [{"externalId": "x", "payload": 2}])
    assert result == {"index": 0, "status": "duplicate", "eventId": one, "bodyDiffers": True}


def test_batches_at_once_neither_deadlock_nor_double(project):
    """The same keys in opposite orders: whoever is late waits, and finds them taken."""
    names = [f"x{n}" for n in range(100)]

    def run(n):
        order = names if n % 2 else names[::-1]
        return batch(project, [{"externalId": name} for name in order])
    with ThreadPoolExecutor(8) as pool:
        results = [r for part in pool.map(run, range(16)) for r in part]
    assert {r["status"] for r in results} == {"unroutable", "duplicate"}
    assert project.rows("events") == 100
    assert len({r["eventId"] for r in results}) == 100


def test_key_is_free_again_after_the_window(project, clock):
    send(project, externalId="x")
    clock("23 hours")
    assert send(project, externalId="x").status == 200
    clock("25 hours")
    assert send(project, externalId="x").status == 202


def test_key_holds_over_midnight(project, clock):
    hours = 23 - project.stack.value("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int")
    clock(f"{hours} hours")
    send(project, externalId="x")
    clock(f"{hours + 2} hours")
    assert send(project, externalId="x").status == 200
