"""Shared by the tests of the worker."""

from standardwebhooks import Webhook


def verify(secret, request):
    """Fails unless somebody else's code finds the signature good."""
    Webhook(secret).verify(request.body, request.headers)
