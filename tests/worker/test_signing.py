"""Signatures of kind v1a (Ed25519), verified by code that is not ours, as Standard Webhooks 1.0.0 says: "v1a," and the
base64 of the signature over "id.timestamp.body"."""

import base64
import datetime
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.seal import seal


def sealed_key(project, public_id, key, whole):
    """The seed, alone or with its public half behind it: both are a key."""
    plain = key.private_bytes_raw() + (key.public_key().public_bytes_raw() if whole else b"")
    return seal(project.stack.base / "dlo.keys", f"webhooks|secret|{public_id}|{project.number}", plain)


def make(project, url, key, whole=True, old=None, old_for_s=600):
    """A webhook whose secret is an Ed25519 key; with `old`, one that is being rotated."""
    name = f"signed-{url.rsplit('/', 1)[1]}"
    hook = project.webhook(url, name=name)
    public_id = project.stack.value("SELECT public_id::text FROM webhooks WHERE project_id = %s AND name = %s",
                                    [project.number, name])
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=old_for_s)
    project.stack.sql("""UPDATE webhooks SET signing = 'v1a', secret_sealed = %s, old_secret_sealed = %s,
                             old_secret_until = %s WHERE public_id = %s""",
                      [sealed_key(project, public_id, key, whole),
                       sealed_key(project, public_id, old, whole) if old else None, until if old else None, public_id])
    return hook


def signatures(request):
    parts = request.headers["webhook-signature"].split(" ")
    assert all(p.startswith("v1a,") for p in parts)
    return [base64.b64decode(p[4:], validate=True) for p in parts]


def signed(request, body=None):
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    return head.encode() + (request.body if body is None else body)


@pytest.mark.parametrize("whole", [True, False])
def test_v1a_signature_is_good(project, peer, whole):
    path, key = peer.path(), Ed25519PrivateKey.generate()
    make(project, peer.url(path), key, whole)
    project.event(payload={"id": "ord_1", "z": "ü"})
    request = peer.wait(path)[0]
    (one,) = signatures(request)
    key.public_key().verify(one, signed(request))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(one, signed(request, request.body + b" "))


def test_largest_payload_is_signed_whole(project, peer):
    path, key = peer.path(), Ed25519PrivateKey.generate()
    make(project, peer.url(path), key)
    project.event(payload="x" * (256 * 1024 - 2))
    request = peer.wait(path)[0]
    assert len(request.body) == 256 * 1024
    key.public_key().verify(signatures(request)[0], signed(request))


def test_both_keys_sign_during_a_rotation(project, peer):
    path, key, old = peer.path(), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    make(project, peer.url(path), key, old=old)
    project.event()
    request = peer.wait(path)[0]
    new_signature, old_signature = signatures(request)
    key.public_key().verify(new_signature, signed(request))
    old.public_key().verify(old_signature, signed(request))


def test_old_key_signs_no_more_after_the_grace_time(project, peer):
    path, key, old = peer.path(), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    make(project, peer.url(path), key, old=old, old_for_s=-1)
    project.event()
    request = peer.wait(path)[0]
    (one,) = signatures(request)
    key.public_key().verify(one, signed(request))


def test_body_that_is_sent_is_the_one_that_is_hashed(project, peer):
    """The hash that an attempt keeps is of the bytes on the wire."""
    path, key = peer.path(), Ed25519PrivateKey.generate()
    make(project, peer.url(path), key)
    made = project.event(payload={"b": 1, "a": 2})
    request = peer.wait(path)[0]
    delivery = project.wait_delivery(eventId=made["eventId"], status="delivered")
    assert delivery["attempts"][0]["request"]["bodySha256"] == hashlib.sha256(request.body).hexdigest()
