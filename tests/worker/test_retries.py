"""When a failed delivery is tried again, and what becomes of it in the end."""

import datetime

import pytest

from harness.wait import eventually, stays


def when(text):
    return datetime.datetime.fromisoformat(text)


def tried(project, n=1):
    """A pending delivery with n attempts behind it, whole."""
    row = eventually(lambda: [d for d in project.deliveries(status="pending") if d["attemptCount"] == n])[0]
    return project.delivery(row["id"])


def pause_of(delivery):
    """Seconds between the last attempt and the next."""
    return (when(delivery["nextAttemptAt"]) - when(delivery["attempts"][-1]["at"])).total_seconds()


def test_pauses_follow_the_schedule_with_jitter(project, peer, clock):
    path = peer.path("/status/503")
    project.webhook(peer.url(path), retrySchedule=[100, 1000, 10000], maxAttempts=4)
    project.event()
    moved = 0
    for n, seconds in enumerate((100, 1000, 10000), 1):
        pause = pause_of(tried(project, n))
        assert 0.8 * seconds - 1 <= pause <= 1.2 * seconds + 1, (n, pause)
        moved += 1.2 * seconds + 2
        clock(f"{moved} seconds")
    entry = project.wait_entry()
    assert entry["attemptCount"] == 4 and entry["retryCount"] == 3 and entry["failureReason"] == "http_5xx"
    assert [a["n"] for a in entry["attempts"]] == [1, 2, 3, 4]
    assert [r.headers["dlo-attempt"] for r in peer.requests(path)] == ["1", "2", "3", "4"]
    assert len({r.headers["webhook-id"] for r in peer.requests(path)}) == 1
    assert len({r.headers["dlo-delivery-id"] for r in peer.requests(path)}) == 1


def test_last_pause_repeats(project, peer, clock):
    project.webhook(peer.url(peer.path("/status/503")), retrySchedule=[100], maxAttempts=3)
    project.event()
    tried(project, 1)
    clock("125 seconds")
    assert 79 <= pause_of(tried(project, 2)) <= 121


def test_jitter_spreads_a_crowd(project, peer):
    project.webhook(peer.url(peer.path("/status/503", record=False)), retrySchedule=[1000], maxAttempts=2,
                    expectedStatuses=[503])  # so that the circuit stays closed
    project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": n} for n in range(60)]})
    eventually(lambda: project.rows("later") == 60)
    low, high, spread = project.stack.sql(
        "SELECT min(s), max(s), stddev(s) FROM (SELECT extract(epoch FROM l.due_at - a.at) AS s FROM later l"
        " JOIN attempts a USING (project_id, delivery_id) WHERE l.project_id = %s) x", [project.number])[0]
    assert 799 <= low and high <= 1202 and spread > 50


def test_retry_that_succeeds_is_delivered(project, peer):
    path = peer.path("/flaky/2")
    project.webhook(peer.url(path), retrySchedule=[1])
    project.event()
    row = eventually(lambda: project.deliveries(status="delivered"))[0]
    delivery = project.delivery(row["id"])
    assert [a["outcome"] for a in delivery["attempts"]] == ["tempfail", "tempfail", "delivered"]
    times = [r.at_ms for r in peer.requests(path)]
    assert all(b - a >= 790 for a, b in zip(times, times[1:]))
    assert project.entries() == []


def test_unlike_failures_are_retries_exhausted(project, peer, clock):
    """One 503, then nothing but silence."""
    path = peer.path("/status/503")
    hook = project.webhook(peer.url(path), retrySchedule=[100], maxAttempts=2, timeoutMs=300)
    project.event()
    tried(project)
    project.patch(f"/v1/webhooks/{hook['id']}", {"url": peer.url(peer.path("/hang"))}, headers={"If-Match": "*"})
    clock("125 seconds")
    entry = project.wait_entry()
    assert entry["failureReason"] == "retries_exhausted" and entry["classification"] == "transient_exhausted"
    assert [a["failureReason"] for a in entry["attempts"]] == ["http_5xx", "timeout"]


def test_retry_now_does_not_wait(project, peer):
    path = peer.path("/flaky/1")
    hook = project.webhook(peer.url(path), retrySchedule=[3600])
    project.event()
    tried(project)
    got = project.post(f"/v1/webhooks/{hook['id']}/retry-now")
    assert got.status == 200 and got.json()["moved"] == 1
    eventually(lambda: project.deliveries(status="delivered"))


# --- Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, low, high", [("600", 600, 610), ("1", 4, 7), ("0", 4, 7), ("soon", 4, 7), ("-5", 4, 7),
                                              ("200000", 86400, 86410)])
def test_retry_after_in_seconds(project, peer, value, low, high):
    project.webhook(peer.url(peer.path(f"/status/429?retry-after={value}")), retrySchedule=[5])
    project.event()
    assert low - 1 <= pause_of(tried(project)) <= high


def test_retry_after_as_a_date(project, peer):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
    date = at.strftime("%a,%%20%d%%20%b%%20%Y%%20%H:%M:%S%%20GMT")
    project.webhook(peer.url(peer.path(f"/status/503?retry-after={date}")), retrySchedule=[5])
    project.event()
    assert 7100 <= pause_of(tried(project)) <= 7210


def test_retry_after_holds_the_others_without_an_attempt(project, peer):
    path = peer.path("/status/429?retry-after=3600")
    hook = project.webhook(peer.url(path), retrySchedule=[5], maxConcurrency=1)
    project.event()
    tried(project)
    for n in range(3):
        project.event(payload=n)
    stays(lambda: peer.count(path) == 1, 1.5)
    assert project.rows("ready") == 3
    assert sum(d["attemptCount"] for d in project.deliveries(status="pending")) == 1
    project.post(f"/v1/webhooks/{hook['id']}/retry-now")
    eventually(lambda: peer.count(path) >= 2)


def test_retry_after_of_one_receiver_leaves_others_alone(project, peer):
    project.webhook(peer.url(peer.path("/status/429?retry-after=3600")), eventTypes=["slow"])
    path = peer.path()
    project.webhook(peer.url(path), eventTypes=["fast"])
    project.event(type="slow")
    tried(project)
    project.event(type="fast")
    peer.wait(path)
