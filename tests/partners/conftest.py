"""The cast of the partners' tests: staff of each kind, keys, and what a leak looks like."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory

from engine.partners import authentication
from engine.partners.models import ALL_SCOPES
from engine.partners.services import mint_key

SECRET = re.compile(r"sk_(?:live|test)_[0-9A-Za-z]{42}")


@pytest.fixture(autouse=True)
def nothing_noted():
    """Last uses noted by an earlier test are not this one's."""
    authentication._noted.clear()


@pytest.fixture
def key_and_text(acme):
    """A test key of Acme's and the secret only its holder knows."""
    return mint_key(partner=acme, livemode=False, name="laptop", scopes=ALL_SCOPES)


@pytest.fixture
def key(key_and_text):
    return key_and_text[0]


@pytest.fixture
def text(key_and_text):
    return key_and_text[1]


@pytest.fixture
def ask():
    """Authenticates a request with that Authorization header; returns the caller."""

    def authenticate(header, **meta):
        if header is not None:
            meta["HTTP_AUTHORIZATION"] = header
        return authentication.authenticate(RequestFactory().get("/connect/v1/", **meta))

    return authenticate


def _staff(name, *groups):
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    client.user = user
    return client


@pytest.fixture
def viewer(db):
    return _staff("vera", "viewer")


@pytest.fixture
def key_admin(db):
    return _staff("kim", "key admin")


@pytest.fixture
def superuser(db):
    client = Client()
    client.user = User.objects.create_superuser("root")
    client.force_login(client.user)
    return client
