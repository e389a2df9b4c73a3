"""Connecting an account by command: keys are sealed, a new one replaces none in flight."""

import io

import pytest
from django.core.management import CommandError, call_command

from engine.rails.models import MomoAccount, MomoCredentials
from engine.rails.momo.accounts import AccountInvalid, set_credentials
from tests.rails.momo.play import KEY, connect, provision

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(monkeypatch):
    """Runs the command with two keys on its standard input; returns what it said."""

    def make(*, url, user, keys, **changes):
        options = {
            "name": "mtn-cm",
            "country": "CM",
            "currency": "XAF",
            "base_url": url,
            "target_environment": "mtncameroon",
            "api_user": user,
        } | changes
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(keys) + "\n"))
        said = io.StringIO()
        call_command("connect_momo", stdout=said, **options)
        return said.getvalue()

    return make


def test_an_account_is_connected_and_its_keys_are_sealed(run, mtn):
    user, key = provision(mtn)

    said = run(url=mtn.url, user=user, keys=[key, KEY])

    row = MomoCredentials.objects.get()
    assert said.splitlines()[-1] == "The operator knows us."
    assert key.encode() not in bytes(row.api_key_sealed)
    assert KEY.encode() not in bytes(row.subscription_key_sealed)
    assert (row.account.name, row.account.livemode, len(row.account.callback_token)) == (
        "mtn-cm",
        True,
        43,
    )


def test_new_keys_are_a_new_row(run, mtn):
    user, key = provision(mtn)
    with pytest.raises(CommandError, match="gives us no token"):
        run(url=mtn.url, user=user, keys=["wrong", KEY])

    run(url=mtn.url, user=user, keys=[key, KEY])

    assert MomoAccount.objects.count() == 1
    assert MomoCredentials.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"currency": "XOF"}, "CM is not paid in XOF"),
        ({"url": "http://momo.example.com"}, "reached by https"),
        ({"user_agent": "python-requests/2"}, "python-requests"),
        ({"keys": ["", ""]}, "nothing was given"),
    ],
)
def test_it_refuses_what_cannot_work_and_keeps_nothing(run, mtn, changes, why):
    with pytest.raises(CommandError, match=why):
        run(**{"url": mtn.url, "user": "u", "keys": ["a", "b"]} | changes)

    assert MomoAccount.objects.count() == 0


def test_a_name_stands_for_one_kind_of_account(run, mtn, account):
    with pytest.raises(CommandError, match="of another kind"):
        run(url=mtn.url, user="u", keys=["a", "b"], country="CG")

    assert MomoCredentials.objects.count() == 1


def test_every_account_has_a_secret_path_of_its_own(mtn):
    assert connect(mtn, name="a").callback_token != connect(mtn, name="b").callback_token


def test_this_machine_may_be_reached_without_https(account):
    row = set_credentials(
        account=account,
        base_url="http://localhost:1/",
        target_environment="sandbox",
        api_user="u",
        api_key="a",
        subscription_key="b",
    )

    assert row.base_url == "http://localhost:1"
    with pytest.raises(AccountInvalid, match="https"):
        set_credentials(
            account=account,
            base_url="http://localhost.example.com",
            target_environment="sandbox",
            api_user="u",
            api_key="a",
            subscription_key="b",
        )
