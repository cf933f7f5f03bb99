"""Which webhooks get which events: types with stars, channels, customers, switched off ones."""

import pytest

STACK = {"worker": False}


def matches(project, event, **webhook):
    project.webhook("https://example.com/", **webhook)
    sent = {"type": "order.paid", **event}
    one = project.event(**sent)
    in_batch = project.post("/v1/events/batch", {"events": [{"payload": {}, "eventType": sent.pop("type"), **sent}]})
    result = in_batch.json()["results"][0]
    # both ways of taking events in have a statement of their own, and must agree
    assert result["deliveries"] == one["deliveries"]
    return one["deliveries"] == 1


TYPES = [
    ([], "order.paid", True),
    (["*"], "order.paid", True),
    (["*"], "a", True),
    (["order.paid"], "order.paid", True),
    (["order.paid"], "order.paid.eu", False),
    (["order.paid"], "order.pai", False),
    (["order.paid"], "Order.paid", False),
    (["order.paid"], "orderxpaid", False),
    (["order.*"], "order.paid", True),
    (["order.*"], "order.paid.eu", True),
    (["order.*"], "order", False),
    (["order.*"], "order.", False),
    (["order.*"], "orders.paid", False),
    (["order.*.eu"], "order.paid.eu", True),
    (["order.*.eu"], "order.paid.us", False),
    (["order.*.eu"], "order.paid.fast.eu", False),
    (["order.*.eu"], "order.eu", False),
    (["order.*.eu.*"], "order.paid.eu.x.y", True),
    (["order.*.eu.*"], "order.paid.eu", False),
    (["*.paid"], "order.paid", True),
    (["*.paid"], "order.unpaid", False),
    (["a.b-c_d"], "a.b-c_d", True),
    (["a.b-c_d"], "axb-c_d", False),
    (["invoice.sent", "order.*"], "order.paid", True),
    (["invoice.sent", "invoice.paid"], "order.paid", False),
]


@pytest.mark.parametrize("patterns, type, expected", TYPES, ids=[f"{','.join(p) or 'none'}~{t}" for p, t, _ in TYPES])
def test_event_types(project, patterns, type, expected):
    assert matches(project, {"type": type}, eventTypes=patterns) is expected


CHANNELS = [([], None, True), ([], "orders", True), (["orders"], "orders", True), (["orders"], None, False),
            (["orders"], "order", False), (["orders", "stock"], "stock", True), (["Orders"], "orders", False)]


@pytest.mark.parametrize("channels, channel, expected", CHANNELS)
def test_channels(project, channels, channel, expected):
    assert matches(project, {"channel": channel}, channels=channels) is expected


CUSTOMERS = [([], None, True), ([], "c1", True), (["c1"], "c1", True), (["c1"], None, False), (["c1"], "c2", False),
             (["c1", "ü"], "ü", True)]


@pytest.mark.parametrize("customers, customer, expected", CUSTOMERS)
def test_customers(project, customers, customer, expected):
    assert matches(project, {"customerExternalId": customer}, customerExternalIds=customers) is expected


def test_all_conditions_must_hold(project):
    project.webhook("https://example.com/", eventTypes=["a.*"], channels=["x"], customerExternalIds=["c"])
    assert project.event(type="a.b", channel="x", customerExternalId="c")["deliveries"] == 1
    assert project.event(type="b.b", channel="x", customerExternalId="c")["deliveries"] == 0
    assert project.event(type="a.b", channel="y", customerExternalId="c")["deliveries"] == 0
    assert project.event(type="a.b", channel="x", customerExternalId="d")["deliveries"] == 0


def test_event_goes_to_every_webhook_that_matches(project):
    for patterns in (["order.*"], ["*"], ["invoice.*"], []):
        project.webhook("https://example.com/", eventTypes=patterns)
    assert project.event()["deliveries"] == 3


def test_deleted_webhook_gets_nothing(project):
    hook = project.webhook("https://example.com/")
    project.delete(f"/v1/webhooks/{hook['id']}")
    assert project.event()["deliveries"] == 0


@pytest.mark.parametrize("how", ["pause", "disable"])
def test_paused_and_disabled_webhooks_hold_what_comes(project, how):
    hook = project.webhook("https://example.com/", enabled=how != "disable")
    if how == "pause":
        project.post(f"/v1/webhooks/{hook['id']}/pause")
    assert project.event()["deliveries"] == 1
    (held,) = project.deliveries(held="true")
    assert held["status"] == "pending" and held["heldBecause"] == ("paused" if how == "pause" else "disabled")


def test_other_projects_webhooks_get_nothing(stack, project):
    stack.project().webhook("https://example.com/")
    assert project.event()["deliveries"] == 0


def test_changed_filter_counts_for_the_next_event(project):
    hook = project.webhook("https://example.com/", eventTypes=["a"])
    assert project.event(type="b")["deliveries"] == 0
    assert project.patch(f"/v1/webhooks/{hook['id']}", {"eventTypes": ["b"]}, headers={"If-Match": "*"}).status == 200
    assert project.event(type="b")["deliveries"] == 1
