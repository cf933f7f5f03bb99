"""A stack in which every operation of docs/openapi.yaml has something to act on, and calls of them by their name.

The examples of the document are sent as they stand there, but for the receiver's URL, which becomes one of the peer's.
"""

import itertools
import time
import urllib.parse

from harness.client import Client
from harness.wait import eventually

LOGIN, PASSWORD = "ada@example.com", "correct horse battery"
CHANGER = "alan@example.com"  # of a password, which ends sessions
RECEIVER = "https://shop.example.com/hooks"
EVERY_ENTRY = 12
LATER_MS = 20 * 86400 * 1000  # the latest that an operation may start is 30 days ahead


class Office:
    def __init__(self, stack, peer):
        self.stack = stack
        self.numbers = itertools.count(1)
        self.project, self.other = stack.project(), stack.project()
        self.receiver = peer.url(peer.path("/ok"))
        self.project.put("/v1/event-types/shop.known", {"description": "known"})
        stack.operator.patch(f"/v1/projects/{self.project.id}", {"editRedrive": True}, headers={"If-Match": "*"})
        self.make_user()
        self.make_hooks(peer)
        self.make_entries()
        self.clients = {"operator": stack.operator, "none": stack.anybody, "signed-in": self.user}

    # --- what is there ------------------------------------------------------------------------------------------------

    def make_user(self):
        made = self.stack.operator.post("/v1/users", {"login": LOGIN, "password": PASSWORD}).json()
        self.user_id = made["id"]
        self.stack.operator.post("/v1/users", {"login": CHANGER, "password": PASSWORD})
        for project in (self.project, self.other):
            self.stack.operator.post(f"/v1/projects/{project.id}/members", {"userId": self.user_id, "scopes": ["admin"]})
        self.user, self.changer = self.sign_in(), self.sign_in(CHANGER)

    def sign_in(self, login=LOGIN):
        got = self.stack.anybody.post("/v1/session", {"login": login, "password": PASSWORD})
        cookie = got.headers["set-cookie"].split(";")[0]
        return Client(self.stack.port, headers={"Cookie": cookie, "X-CSRF-Token": got.json()["csrfToken"]})

    def make_hooks(self, peer):
        self.hook = self.project.webhook(self.receiver, eventTypes=["shop.ok"], headers={"x-token": "s"})["id"]
        self.refusing = self.project.webhook(peer.url(peer.path("/status/400")), eventTypes=["shop.bad"])["id"]
        self.holding = self.project.webhook(self.receiver, eventTypes=["shop.held"])["id"]
        self.project.post(f"/v1/webhooks/{self.holding}/pause")

    def make_entries(self):
        """Dead letters that nobody has touched, and one that stays so."""
        for n in range(EVERY_ENTRY):
            sent = self.project.event(type="shop.bad", payload={"n": n}, channel="orders", externalId=f"x{n}",
                                      customerExternalId="c", metadata={"k": "v"}, routingKey="eu",
                                      occurredAt="2026-11-22T10:00:00Z")
        self.event = sent["eventId"]
        rows = eventually(lambda: len(rows := self.project.entries()) >= EVERY_ENTRY and rows, 30)
        self.entry, *self.untouched = rows
        self.project.event(type="shop.ok")
        self.project.event(type="shop.lost")  # no webhook takes it
        self.pending = self.held_delivery()
        self.planned, self.tried = self.operation(), self.trial()
        eventually(lambda: self.project.get(f"/v1/dlq/groups/{self.entry['fingerprint']}").status == 200)

    def held_delivery(self):
        self.project.event(type="shop.held")
        return self.project.wait_delivery(webhookId=self.holding, status="pending")["id"]

    def operation(self, entry=None):
        """A re-drive that does not begin while the tests run, unless it is resumed."""
        body = {"ids": [(entry or self.entry)["id"]], "startAt": int(time.time() * 1000) + LATER_MS}
        made = self.project.post("/v1/dlq/bulk-re-drive", body, headers={"Idempotency-Key": f"op-{next(self.numbers)}"})
        assert made.status == 202, made
        return made.json()["id"]

    def paused(self):
        operation = self.operation(self.untouched.pop())
        assert self.project.post(f"/v1/bulk-operations/{operation}/pause").status == 200
        return operation

    def trial(self):
        made = self.project.post(f"/v1/webhooks/{self.hook}/test-transform", {"transform": ".", "payload": {"a": 1}})
        return made.json()["id"]

    def key(self, path):
        return self.stack.operator.post(path, {"name": "victim", "scopes": ["dlq:read"]}).json()["id"]

    def victim(self):
        login = f"victim{next(self.numbers)}@example.com"
        return self.stack.operator.post("/v1/users", {"login": login, "password": PASSWORD}).json()["id"]

    def victim_type(self):
        assert self.project.put("/v1/event-types/shop.victim", {}).status == 201
        return "shop.victim"

    def discarded(self):
        entry = self.untouched.pop()["id"]
        assert self.project.post(f"/v1/dlq/{entry}/discard", {"reason": "test"}).status == 200
        return entry

    # --- what stands in a path ----------------------------------------------------------------------------------------

    def known(self, operation):
        """Values of an operation's path parameters that it must not use up: for requests that are to be refused."""
        plain = {"webhookId": self.hook, "entryId": self.entry["id"], "deliveryId": self.entry["deliveryId"],
                 "eventId": self.event, "n": "1", "name": "shop.known", "projectId": self.other.id,
                 "userId": self.user_id, "keyId": None, "trialId": self.tried, "operationId": self.planned,
                 "fingerprint": self.entry["fingerprint"]}
        return {name: plain[name] or self.key("/v1/projects/" + self.project.id + "/keys")
                for name in operation.parameter_names("path")}

    def places(self, operation):
        """Values of an operation's path parameters. What it uses up is made for it, or taken from the untouched."""
        own = {
            "cancelDelivery": {"deliveryId": lambda: self.pending},
            "replayDelivery": {"deliveryId": self.untouched_delivery},
            "oldRetry": {"deliveryId": self.untouched_delivery},
            "oldListOfWebhook": {"webhookId": lambda: self.refusing},
            "redriveEntry": {"entryId": self.untouched_entry},
            "replayEntry": {"entryId": self.untouched_entry},
            "retryEntry": {"entryId": self.untouched_entry},
            "discardEntry": {"entryId": self.untouched_entry},
            "restoreEntry": {"entryId": self.discarded},
            "purgeEntry": {"entryId": self.untouched_entry},
            "cancelOperation": {"operationId": self.operation},
            "resumeOperation": {"operationId": self.paused},
            "putEventType": {"name": lambda: "order.paid"},
            "revokeKey": {"keyId": lambda: self.key(f"/v1/projects/{self.project.id}/keys")},
            "revokeProjectKey": {"keyId": lambda: self.key(f"/v1/projects/{self.other.id}/keys")},
            "deleteEventType": {"name": self.victim_type},
            "disableUser": {"userId": self.victim},
            "setPassword": {"userId": self.victim},
            "deleteWebhook": {"webhookId": lambda: self.project.webhook(self.receiver)["id"]},
        }.get(operation.id, {})
        return {name: own[name]() if name in own else value for name, value in self.known(operation).items()}

    def untouched_entry(self):
        return self.untouched.pop()["id"]

    def untouched_delivery(self):
        return self.untouched.pop()["deliveryId"]

    # --- calling ------------------------------------------------------------------------------------------------------

    def client(self, operation):
        if operation.id == "signOut":
            return self.sign_in()
        if operation.id == "changePassword":
            return self.changer
        return self.clients.get(operation.scope, self.project)

    def path(self, operation, places):
        return operation.path.format(**{k: urllib.parse.quote(v, safe="") for k, v in places.items()})

    def body(self, operation):
        """The document's example, to a receiver of ours."""
        return with_receiver(operation.example(), self.receiver)

    def call(self, operation, client=None, places=None, **kw):
        """One call with the document's own example."""
        places = self.places(operation) if places is None else places
        headers = {"If-Match": "*"} if operation.wants("If-Match") else {}
        if operation.id.startswith("bulk"):
            headers["Idempotency-Key"] = f"bulk-{next(self.numbers)}"
        return (client or self.client(operation)).call(
            operation.method.upper(), self.path(operation, places), self.body(operation) if operation.has_body else b"",
            headers={**headers, **kw.pop("headers", {})}, **kw)


def with_receiver(value, url):
    if isinstance(value, dict):
        return {k: with_receiver(v, url) for k, v in value.items()}
    if isinstance(value, list):
        return [with_receiver(v, url) for v in value]
    return url if value == RECEIVER else value
