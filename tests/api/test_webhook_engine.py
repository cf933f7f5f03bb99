"""What a webhook asks of the delivery engine: signing, TLS, transform, schema, rate, circuit, and our own news."""

import base64
import json
import re
import subprocess

import pytest

from harness.unseal import unseal

STACK = {"worker": False}
URL = "https://example.com/hook"
ANY = {"If-Match": "*"}
WHPK = re.compile(r"^whpk_[A-Za-z0-9+/]{43}=$")


def path(hook, act=""):
    return f"/v1/webhooks/{hook['id']}{act}"


def patch(client, hook, **fields):
    return client.patch(path(hook), fields, headers=ANY)


def columns(project, hook, *names):
    return project.stack.sql(f"SELECT {', '.join(names)} FROM webhooks WHERE project_id = %s AND dlo_id('whk', public_id) = %s",
                             [project.number, hook["id"]])[0]


# --- plain fields -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field, value", [("maxPayloadBytes", 1), ("maxPayloadBytes", 262144), ("ratePerSecond", 0.5),
                                          ("ratePerSecond", 10000), ("dlqPayload", True), ("payloadSchema", True),
                                          ("payloadSchema", {"type": "object", "maximum": 1.10})])
def test_field_is_kept_and_cleared(project, field, value):
    hook = project.webhook(URL, **{field: value})
    assert hook[field] == value and project.get(path(hook)).json()[field] == value
    assert patch(project, hook, name="x").json()[field] == value
    cleared = patch(project, hook, **{field: None}).json()[field]
    assert cleared is (False if field == "dlqPayload" else None)


def test_new_webhook_asks_for_nothing(project):
    hook = project.webhook(URL)
    for field in ("transform", "payloadSchema", "maxPayloadBytes", "ratePerSecond", "tls", "publicKey"):
        assert hook[field] is None
    assert hook["dlqPayload"] is False


def test_schema_is_stored_to_the_byte(project):
    schema = b'{ "maximum" : 1.10 ,"pattern":"\\u0041/" }'
    made = project.post("/v1/webhooks", b'{"url":"%s","payloadSchema":%s}' % (URL.encode(), schema),
                        headers={"Content-Type": "application/json"})
    assert columns(project, made.json(), "payload_schema") == (schema.decode(),)
    patched = project.patch(path(made.json()), b'{"payloadSchema": true }',
                            headers={**ANY, "Content-Type": "application/json"})
    assert patched.json()["payloadSchema"] is True and columns(project, made.json(), "payload_schema") == ("true",)


def test_phps_empty_schema_is_the_empty_one(project):
    assert project.webhook(URL, payloadSchema=[])["payloadSchema"] == {}


# --- transform --------------------------------------------------------------------------------------------------------


@pytest.fixture
def transforming(stack):
    """A sender that says it can run transforms."""
    stack.sql("INSERT INTO senders (owner, host, pid, stats) VALUES (gen_random_uuid(), 'test', 1, '{\"transforms\":true}')")
    yield
    stack.sql("DELETE FROM senders")


def test_transform_without_a_sender_that_runs_it_is_refused(project):
    got = project.post("/v1/webhooks", {"url": URL, "transform": ".a"})
    assert got.status == 422 and got.code == "transforms-unavailable" and got.pointers() == ["/transform"]
    assert project.rows("webhooks") == 0


@pytest.mark.parametrize("change", ["stats = '{}'", "seen_at = now() - interval '2 minutes'", "leaving = true"])
def test_transform_needs_a_live_sender_that_runs_it(project, transforming, change):
    project.stack.sql(f"UPDATE senders SET {change}")
    assert project.post("/v1/webhooks", {"url": URL, "transform": ".a"}).code == "transforms-unavailable"


def test_transform_is_kept_and_not_judged(project, transforming):
    hook = project.webhook(URL, transform="} not jq {\n")
    assert hook["transform"] == "} not jq {\n"
    project.stack.sql("DELETE FROM senders")
    assert patch(project, hook, name="n").json()["transform"] == hook["transform"]
    assert patch(project, hook, transform=".b").code == "transforms-unavailable"
    assert patch(project, hook, transform=None).json()["transform"] is None


# --- signing ----------------------------------------------------------------------------------------------------------


def test_v1a_answers_its_public_key_always_and_no_secret(project):
    hook = project.webhook(URL, signing="v1a")
    assert WHPK.match(hook["publicKey"]) and "secret" not in hook
    assert project.get(path(hook)).json()["publicKey"] == hook["publicKey"]
    assert project.get("/v1/webhooks").json()["data"][0]["publicKey"] == hook["publicKey"]
    assert project.webhook(URL, signing="v1a")["publicKey"] != hook["publicKey"]


# RFC 8032 section 7.1, the first test vector
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def whsk(seed=SEED, public=PUBLIC):
    return "whsk_" + base64.b64encode(seed + public).decode()


def test_v1a_takes_a_pair_of_ones_own(project):
    hook = project.webhook(URL, signing="v1a", secret=whsk())
    assert hook["publicKey"] == "whpk_" + base64.b64encode(PUBLIC).decode()
    assert whsk() not in json.dumps(hook)


@pytest.mark.parametrize("signing, secret", [("v1a", "whsec_" + "A" * 43 + "="), ("v1a", whsk(public=SEED)), ("v1a", "whsk_x"),
                                             ("v1", "plain")])
def test_secret_of_another_kind_is_refused(project, signing, secret):
    got = project.post("/v1/webhooks", {"url": URL, "signing": signing, "secret": secret})
    assert got.status == 422 and got.code == "invalid-secret" and got.pointers() == ["/secret"]


def test_changing_the_signing_makes_a_new_secret_without_grace(project):
    hook = project.webhook(URL)
    project.post(path(hook, "/rotate-secret"))
    first = columns(project, hook, "secret_sealed")
    asymmetric = patch(project, hook, signing="v1a").json()
    assert WHPK.match(asymmetric["publicKey"]) and "secret" not in asymmetric
    assert asymmetric["oldSecretValidUntil"] is None
    assert columns(project, hook, "old_secret_sealed") == (None,) and columns(project, hook, "secret_sealed") != first
    back = patch(project, hook, signing="v1").json()
    assert back["secret"].startswith("whsec_") and back["publicKey"] is None


@pytest.mark.parametrize("signing", ["v1", "v1a"])
def test_signing_as_it_was_changes_no_secret(project, signing):
    hook = project.webhook(URL, signing=signing)
    before = columns(project, hook, "secret_sealed", "public_key")
    after = patch(project, hook, signing=signing, name="n").json()
    assert "secret" not in after and columns(project, hook, "secret_sealed", "public_key") == before


def test_rotation_keeps_the_kind(project):
    hook = project.webhook(URL, signing="v1a")
    rotated = project.post(path(hook, "/rotate-secret")).json()
    assert WHPK.match(rotated["publicKey"]) and rotated["publicKey"] != hook["publicKey"]
    assert rotated["oldSecretValidUntil"] and "secret" not in rotated and rotated["signing"] == "v1a"
    assert project.post(path(hook, "/rotate-secret"), {"secret": "whsec_" + "A" * 43 + "="}).code == "invalid-secret"
    assert project.post(path(hook, "/rotate-secret"), {"secret": whsk()}).json()["publicKey"].startswith("whpk_")


# --- TLS --------------------------------------------------------------------------------------------------------------


def openssl(*words, text=None):
    return subprocess.run(["openssl", *words], input=text, capture_output=True, text=True, check=True).stdout


def new_key(*options):
    return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", *options)


def certificate(tmp, key, name="client", days=30):
    """Self-signed; a negative number of days is one that has expired."""
    (tmp / "key.pem").write_text(key)
    csr = openssl("req", "-new", "-key", tmp / "key.pem", "-subj", f"/CN={name}/O=A, B")
    (tmp / "csr.pem").write_text(csr)
    return openssl("x509", "-req", "-in", tmp / "csr.pem", "-signkey", tmp / "key.pem", "-days", str(days))


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("pem")
    key, other = new_key(), new_key()
    weak = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    return {"key": key, "other": other, "cert": certificate(tmp, key), "ca": certificate(tmp, other, "ca"),
            "expired": certificate(tmp, key, days=-1), "weak": weak, "weak_cert": certificate(tmp, weak),
            "encrypted": openssl("pkey", "-aes128", "-passout", "pass:x", text=key),
            "legacy": openssl("ec", text=key)}


def opened(project, hook, column, name):
    """A sealed column, opened with the stack's key file (common/seal.h) and the words that a sender opens it with."""
    sealed, public_id = columns(project, hook, column, "public_id")
    if sealed is None:
        return None
    return unseal((project.stack.base / "dlo.keys").read_text(), sealed, f"webhooks|{name}|{public_id}|{project.number}".encode())


def test_client_certificate_is_sealed_with_its_chain_and_key(project, pems):
    hook = project.webhook(URL, tls={"clientCertificate": "a client\n" + pems["cert"] + pems["ca"], "clientKey": pems["legacy"]})
    assert opened(project, hook, "tls_client_sealed", "tls").decode() == pems["cert"] + pems["ca"] + pems["key"]


def test_v1a_seals_seed_and_public_key(project):
    hook = project.webhook(URL, signing="v1a", secret=whsk())
    assert opened(project, hook, "secret_sealed", "secret") == SEED + PUBLIC


def test_tls_shows_the_authority_and_facts_of_the_certificate(project, pems):
    sent = {"ca": "# ours\n" + pems["ca"], "clientCertificate": pems["cert"] + pems["ca"], "clientKey": pems["key"]}
    hook = project.webhook(URL, tls=sent)
    shown = project.get(path(hook)).json()["tls"]
    digest = openssl("x509", "-noout", "-fingerprint", "-sha256", text=pems["cert"]).strip().split("=")[1]
    assert shown["ca"] == sent["ca"]
    assert shown["clientCertificate"]["sha256"] == digest.replace(":", "").lower()
    assert shown["clientCertificate"]["subject"] == "O=A\\, B,CN=client"
    assert re.match(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$", shown["clientCertificate"]["notAfter"])
    assert set(shown) == {"ca", "clientCertificate"}
    for answer in (project.get(path(hook)), project.get("/v1/audit")):
        assert b"PRIVATE" not in answer.body
    assert "PRIVATE" not in project.stack.value("SELECT to_jsonb(w)::text || encode(tls_client_sealed, 'escape') FROM webhooks w"
                                                " WHERE project_id = %s", [project.number])


def test_older_form_of_a_key_is_taken(project, pems):
    project.webhook(URL, tls={"clientCertificate": pems["cert"], "clientKey": pems["legacy"]})


TLS_REFUSED = [
    ("ca", {"ca": "no pem"}, 422, "no PEM certificate"),
    ("ca", {"ca": ""}, 422, "no PEM certificate"),
    ("ca", {"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, 422, "X.509"),
    ("ca", {"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n"}, 422, "damaged"),
    ("ca", {"ca": "{ca}{key}"}, 422, "Only CERTIFICATE"),
    ("ca", {"ca": 1}, 400, "PEM"),
    ("ca", {"ca": "a" * 32769}, 422, "too long"),
    ("clientKey", {"clientCertificate": "{cert}"}, 422, "together"),
    ("clientCertificate", {"clientKey": "{key}"}, 422, "together"),
    ("clientKey", {"clientCertificate": "{cert}", "clientKey": None}, 422, "together"),
    ("clientKey", {"clientCertificate": "{cert}", "clientKey": "{other}"}, 422, "does not belong"),
    ("clientKey", {"clientCertificate": "{cert}", "clientKey": "{encrypted}"}, 422, "encrypted"),
    ("clientKey", {"clientCertificate": "{cert}", "clientKey": "{cert}"}, 422, "no PEM private key"),
    ("clientKey", {"clientCertificate": "{weak_cert}", "clientKey": "{weak}"}, 422, "too weak"),
    ("clientCertificate", {"clientCertificate": "{expired}", "clientKey": "{key}"}, 422, "expired"),
    ("clientCertificate", {"clientCertificate": "{key}", "clientKey": "{key}"}, 422, "Only CERTIFICATE"),
    ("more", {"more": "x"}, 400, "no such field"),
]


@pytest.mark.parametrize("member, tls, status, detail", TLS_REFUSED, ids=[str(t[1])[:50] for t in TLS_REFUSED])
def test_tls_that_cannot_work_is_refused(project, pems, member, tls, status, detail):
    tls = {k: v.format(**pems) if isinstance(v, str) else v for k, v in tls.items()}
    got = project.post("/v1/webhooks", {"url": URL, "tls": tls})
    assert got.status == status and got.pointers() == [f"/tls/{member}"] and detail in got.json()["detail"], got
    assert "BEGIN" not in got.body.decode() and project.rows("webhooks") == 0


@pytest.mark.parametrize("tls", ["x", [1], True])
def test_tls_is_an_object(project, tls):
    got = project.post("/v1/webhooks", {"url": URL, "tls": tls})
    assert got.status == 400 and got.pointers() == ["/tls"]


def test_patch_of_tls_leaves_what_it_does_not_name(project, pems):
    hook = project.webhook(URL, tls={"ca": pems["ca"], "clientCertificate": pems["cert"], "clientKey": pems["key"]})
    sealed = columns(project, hook, "tls_client_sealed")
    after = patch(project, hook, tls={"ca": pems["cert"]}).json()["tls"]
    assert after["ca"] == pems["cert"] and after["clientCertificate"]
    assert patch(project, hook, name="n").json()["tls"] == after and columns(project, hook, "tls_client_sealed") == sealed
    assert patch(project, hook, tls={"clientCertificate": None}).json()["tls"] == {"ca": pems["cert"], "clientCertificate": None}
    assert opened(project, hook, "tls_client_sealed", "tls") is None
    assert patch(project, hook, tls=None).json()["tls"] is None


# --- $dlq -------------------------------------------------------------------------------------------------------------


def listens(project):
    return project.stack.value("SELECT listens FROM projects WHERE id = %s", [project.number])


def test_listening_needs_the_right_to_read_entries(project):
    few = project.limited("webhooks:write,webhooks:read")
    got = few.post("/v1/webhooks", {"url": URL, "channels": ["$dlq"]})
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:read"
    more = project.limited("webhooks:write,dlq:read")
    assert more.post("/v1/webhooks", {"url": URL, "channels": ["$dlq"]}).status == 201
    got = more.post("/v1/webhooks", {"url": URL, "channels": ["$dlq"], "dlqPayload": True})
    assert got.status == 403 and got.json()["requiredScope"] == "dlq:payload"


@pytest.mark.parametrize("change", [{"url": "https://example.org/"}, {"channels": ["$dlq", "a"]}])
def test_who_may_not_read_entries_cannot_send_them_elsewhere(project, change):
    hook = project.webhook(URL, channels=["$dlq"])
    few = project.limited("webhooks:write")
    assert patch(few, hook, **change).status == 403
    assert patch(few, hook, enabled=False).status == 200


def test_who_may_not_read_payloads_cannot_ask_for_them(project):
    hook = project.webhook(URL, channels=["$dlq"])
    few = project.limited("webhooks:write,dlq:read")
    assert patch(few, hook, dlqPayload=True).status == 403
    patch(project, hook, dlqPayload=True)
    assert patch(few, hook, url="https://example.org/").status == 403
    assert patch(few, hook, dlqPayload=False, url="https://example.org/").status == 200


def test_seed_003s_subscription_to_the_queue_itself(project):
    got = project.post("/v1/subscriptions", {"channel": "$dlq", "name": "dlq-alerting", "type": "webhook", "endpoint": {"url": URL}})
    assert got.status == 201 and got.json()["channels"] == ["$dlq"] and listens(project)


def test_project_listens_while_a_webhook_does(project):
    assert not listens(project)
    one, two = project.webhook(URL, channels=["$dlq", "a"]), project.webhook(URL)
    assert listens(project)
    patch(project, two, channels=["$dlq"])
    patch(project, one, channels=["a"])
    assert listens(project)
    project.delete(path(two))
    assert not listens(project)


def test_webhook_on_our_channel_alone_gets_no_ordinary_event(project):
    project.webhook(URL, channels=["$dlq"])
    for fields in ({}, {"channel": "a"}, {"channel": "dlq"}):
        assert project.event(**fields)["status"] == "unroutable"
    both = project.webhook(URL, channels=["$dlq", "a"])
    assert project.event(channel="a")["deliveries"] == 1 and project.event()["deliveries"] == 0
    batch = project.post("/v1/events/batch", {"events": [{"eventType": "t", "payload": 1}, {"eventType": "t", "payload": 1,
                                                                                           "channel": "a"}]}).json()
    assert [r.get("deliveries") for r in batch["results"]] == [0, 1], both


@pytest.mark.parametrize("route, body", [("", {"eventType": "a", "payload": 1}), ("/batch", {"events": []})])
def test_a_delivery_that_comes_back_as_an_event_is_refused(project, route, body):
    got = project.post(f"/v1/events{route}", body, headers={"Dlo-Delivery-Id": "dlv_x"})
    assert got.status == 409 and got.code == "delivery-loop"


# --- circuit ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(project):
    return project.webhook(URL)


def trip(project, hook, state=1):
    """The row that a sender writes when it opens the circuit."""
    project.stack.sql(
        "INSERT INTO breakers SELECT w.id, w.project_id, w.shard, %s, '2026-01-01T00:00:00Z', '2026-01-01T00:00:30Z', 30, 16, 20,"
        " ARRAY['00000000-0000-0000-0000-000000000001', 'ffffffff-ffff-ffff-ffff-fffffffffffe']::uuid[]"
        " FROM webhooks w WHERE w.project_id = %s AND dlo_id('whk', w.public_id) = %s", [state, project.number, hook["id"]])


def tripped(project):
    return project.rows("breakers") > 0


@pytest.mark.parametrize("state, name", [(1, "open"), (2, "half_open")])
def test_health_shows_the_circuit(project, hook, state, name):
    trip(project, hook, state)
    project.event()
    health = project.get(path(hook, "/health")).json()
    assert health["circuit"] == {
        "state": name, "openedAt": "2026-01-01T00:00:00.000Z", "nextProbeAt": "2026-01-01T00:00:30.000Z",
        "cooldownSeconds": 30, "failures": 16, "requests": 20,
        "trippedBy": ["dlv_00000000000000000000000001", "dlv_7zzzzzzzzzzzzzzzzzzzzzzzzy"]}
    assert (health["waiting"], health["held"]) == (1, 1)


def test_health_of_a_closed_circuit(project, hook):
    assert project.get(path(hook, "/health")).json()["circuit"] == {
        "state": "closed", "openedAt": None, "nextProbeAt": None, "cooldownSeconds": None, "failures": None,
        "requests": None, "trippedBy": []}


def test_delivery_behind_an_open_circuit_is_held(project, hook):
    project.event()
    assert project.deliveries(held="true") == []
    trip(project, hook)
    held = project.deliveries(held="true")
    assert held[0]["heldBecause"] == "circuit" and held[0]["nextAttemptAt"] is None
    assert held[0]["effectiveStatus"] == "pending" and held[0]["heldUntil"][:4] >= "2025"
    assert project.deliveries(held="false") == []
    waiting = project.get("/v1/overview").json()["waiting"]
    assert (waiting["due"], waiting["held"]) == (0, 1)


def test_pause_and_disabling_are_told_before_the_circuit(project, hook):
    project.event()
    trip(project, hook)
    project.post(path(hook, "/pause"))
    assert project.deliveries()[0]["heldBecause"] == "paused"
    patch(project, hook, name="n")
    patch(project, hook, enabled=False)
    assert project.deliveries()[0]["heldBecause"] == "disabled"


def test_delivery_that_waits_for_the_rate_says_so(project, clock):
    project.webhook(URL, ratePerSecond=0.01)
    project.event()
    clock("5 seconds")
    delivery = project.deliveries(held="true")[0]
    assert delivery["heldBecause"] == "rate" and delivery["heldUntil"] is None


@pytest.mark.parametrize("change, left", [({"name": "n"}, True), ({"url": URL}, True), ({"enabled": True}, True),
                                          ({"url": URL + "2"}, False)])
def test_another_url_closes_the_circuit(project, hook, change, left):
    trip(project, hook)
    patch(project, hook, **change)
    assert tripped(project) is left


def test_enabling_again_closes_the_circuit_and_disabling_does_not(project, hook):
    trip(project, hook)
    patch(project, hook, enabled=False)
    assert tripped(project)
    patch(project, hook, enabled=True)
    assert not tripped(project)


def test_deleting_takes_the_circuit_along(project, hook):
    trip(project, hook)
    project.delete(path(hook))
    assert not tripped(project)


@pytest.mark.parametrize("act, asks", [("retry-now", True), ("resume", True), ("pause", False)])
def test_retry_now_and_resuming_ask_for_a_probe(project, hook, act, asks):
    if act == "resume":
        project.post(path(hook, "/pause"))
    trip(project, hook)
    assert project.post(path(hook, f"/{act}")).status == 200
    assert (columns(project, hook, "retry_now_at")[0] is not None) is asks


def test_resuming_leaves_a_retry_after_in_force(project, hook):
    project.post(path(hook, "/pause"))
    project.post(path(hook, "/resume"))
    assert columns(project, hook, "retry_now_at") == (None,)


# --- what is written down for the listeners ----------------------------------------------------------------------------


def notices(project):
    return project.stack.sql("SELECT type, detail->>'reason' FROM notices WHERE project_id = %s ORDER BY id", [project.number])


def test_notices_are_written_only_where_somebody_listens(project, hook):
    trip(project, hook)
    patch(project, hook, enabled=False)
    patch(project, hook, enabled=True)
    assert notices(project) == []


def test_disabling_and_closing_write_notices(project, hook):
    project.webhook(URL, channels=["$dlq"])
    patch(project, hook, enabled=False)
    patch(project, hook, enabled=False)
    trip(project, hook)
    patch(project, hook, enabled=True)
    types = notices(project)
    assert [t for t, _ in types] == ["webhook.disabled", "webhook.circuit.closed"]
    assert types[0][1].startswith("disabled by key_") and types[1][1].startswith("changed by key_")


def test_shown_ids_are_made_alike_in_sql(project, hook):
    assert project.stack.value("SELECT dlo_id('whk', public_id) FROM webhooks WHERE project_id = %s", [project.number]) == hook["id"]
