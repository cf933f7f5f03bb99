"""A delivery that ends the sender which sends it: after the second time it is set aside, and the others arrive."""

from harness.wait import eventually

STACK = {"env": {"DLO_FAULT_EVENT_TYPE": "poison"}, "senders": 1}


def test_poison_ends_as_internal_and_the_rest_is_delivered(stack, project, peer):
    path = peer.path()
    project.webhook(peer.url(path))
    sent = [project.event(type="good", payload=n)["eventId"] for n in range(10)]
    poison = project.event(type="poison")["eventId"]
    sent += [project.event(type="good", payload=n)["eventId"] for n in range(10)]
    entry = project.wait_entry(timeout=60)
    assert entry["eventId"] == poison and entry["failureReason"] == "internal"
    eventually(lambda: {r.headers["webhook-id"] for r in peer.requests(path)} >= set(sent), 60)
    eventually(lambda: len(project.deliveries(status="delivered", limit=200)) == 20, 30)
    assert len(project.entries(state="all")) == 1
    log = stack.processes["worker"].log.read_text()
    assert log.count("was ended by signal 6") == 2


def test_two_poisons_each_cost_two_senders_and_no_more(stack, project, peer):
    before = stack.processes["worker"].log.read_text().count("was ended by signal 6")
    paths = [peer.path() for _ in range(3)]
    for path in paths:
        project.webhook(peer.url(path), eventTypes=["good"])
    project.webhook(peer.url(peer.path()), eventTypes=["poison"])
    project.event(type="poison")
    project.event(type="poison")
    good = project.event(type="good")["eventId"]
    project.wait_entry(timeout=90, n=2)
    for path in paths:
        assert peer.wait(path, timeout=60)[0].headers["webhook-id"] == good
    assert {e["failureReason"] for e in project.entries()} == {"internal"}
    assert stack.processes["worker"].log.read_text().count("was ended by signal 6") - before <= 4


def test_worker_is_well_afterwards(stack, project, peer):
    path = peer.path()
    project.webhook(peer.url(path))
    project.event(type="good")
    peer.wait(path)
