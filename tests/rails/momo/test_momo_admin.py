"""Accounts with operators as staff meet them: connected, switched, and never readable."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages
from django.utils import timezone
from django.views.debug import SafeExceptionReporterFilter

from engine.payouts.rail_choice import can_pay_number
from engine.rails.models import MomoAccount, MomoCredentials, MomoSend, OperatorHealth
from engine.rails.momo import breaker, hints
from engine.rails.momo.accounts import Floats
from tests.rails.momo.play import KEY, provision, row

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNTS = "/admin/rails/momoaccount/"
SENDS = "/admin/rails/momosend/"
HERE = {"network": "mtn_momo", "country": "CM"}


@pytest.fixture
def staff(client, db):
    """Signs in as a member of a group."""

    def sign_in(group):
        user = User.objects.create_user("somebody", password="x", is_staff=True)
        user.groups.set(Group.objects.filter(name=group))
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def typed(mtn):
    """What an operator types to connect an account that works."""
    user, key = provision(mtn)
    return {
        "name": "mtn-cm",
        "network": "mtn_momo",
        "country": "CM",
        "currency": "XAF",
        "callback_url": "",
        "livemode": "on",
        "base_url": mtn.url,
        "target_environment": "mtncameroon",
        "api_user": user,
        "api_key": key,
        "subscription_key": KEY,
        "user_agent": "zopay/1.0",
    }


def facts(page):
    """What a page shows, by its label, without markup."""
    found = re.findall(
        r"<label[^>]*>(.*?)</label>.*?<div[^>]*readonly[^>]*>(.*?)</div>", page.text, re.DOTALL
    )
    return {
        re.sub(r"<[^>]+>|\s+", " ", name).strip(): " ".join(
            re.sub(r"<[^>]+>", " ", text).split()
        )
        for name, text in found
    }


def said(page):
    return [str(one) for one in get_messages(page.wsgi_request)]


def everything(client, account):
    """Each page that shows something of an account."""
    paths = (
        ACCOUNTS, f"{ACCOUNTS}{account.pk}/change/", f"{ACCOUNTS}{account.pk}/history/",
        f"{ACCOUNTS}{account.pk}/new-keys/", SENDS, "/admin/",
    )  # fmt: skip
    return [client.get(path).text for path in paths]


def test_an_operator_connects_an_account_and_nobody_reads_its_keys_again(staff, typed):
    client = staff("operator")
    assert client.get(f"{ACCOUNTS}connect/").status_code == 200

    page = client.post(f"{ACCOUNTS}connect/", typed)

    assert page.status_code == 302
    assert said(page) == ["The operator knows us."]
    account, kept = MomoAccount.objects.get(), MomoCredentials.objects.get()
    assert (account.name, account.livemode, account.is_enabled) == ("mtn-cm", True, True)
    for secret in (typed["api_key"], KEY):
        assert secret.encode() not in bytes(kept.api_key_sealed + kept.subscription_key_sealed)
        assert not any(secret in text for text in everything(client, account))
        assert secret not in " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert account.callback_token not in "".join(everything(client, account))


def test_keys_that_do_not_work_are_told_and_come_back_in_no_page(staff, typed):
    client = staff("operator")
    wrong = typed | {"api_key": "typed-wrongly-by-somebody"}
    refused = client.post(f"{ACCOUNTS}connect/", wrong | {"currency": "XOF"})
    assert (refused.status_code, MomoAccount.objects.count()) == (200, 0)
    assert "CM is not paid in XOF" in refused.text
    assert wrong["api_key"] not in refused.text
    assert KEY not in refused.text

    page = client.post(f"{ACCOUNTS}connect/", wrong)

    assert said(page)[0].startswith("Kept. But the operator, asked for the balance,")
    # An error report of that request would not have them either.
    shown = SafeExceptionReporterFilter().get_post_parameters(page.wsgi_request)
    assert wrong["api_key"] not in str(dict(shown))
    assert KEY not in str(dict(shown))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"base_url": "http://mtn.example"}, "reached by https"),
        ({"user_agent": "python-requests/2"}, "python-requests"),
        ({"api_key": ""}, "required"),
    ],
)
def test_what_cannot_work_is_not_kept(staff, typed, change, why):
    page = staff("operator").post(f"{ACCOUNTS}connect/", typed | change)

    assert why in page.text
    assert MomoAccount.objects.count() == 0
    assert MomoCredentials.objects.count() == 0


def test_a_name_is_taken_once(staff, typed, account):
    page = staff("operator").post(f"{ACCOUNTS}connect/", typed)

    assert "There is an account of this name" in page.text
    assert MomoAccount.objects.count() == 1


def test_new_keys_are_a_new_row_and_what_is_under_way_keeps_its_own(
    staff, typed, account, prepare
):
    prepared = prepare()
    before = row(prepared).credentials_id
    client = staff("operator")
    asked = client.get(f"{ACCOUNTS}{account.pk}/new-keys/")
    assert row(prepared).credentials.base_url in asked.text

    page = client.post(f"{ACCOUNTS}{account.pk}/new-keys/", typed)

    assert said(page) == ["The operator knows us."]
    assert MomoCredentials.objects.count() == 2
    assert row(prepared).credentials_id == before
    assert Floats().credentials[account.pk].api_user == typed["api_user"]


def test_an_account_is_switched_off_and_on_by_posts_with_a_reason(staff, account):
    client, place = staff("operator"), f"{ACCOUNTS}{account.pk}"

    def pays():
        return can_pay_number("mtn_momo", currency="XAF", country="CM", livemode=True)

    assert client.get(f"{place}/switch-off/").status_code == 200
    assert client.post(f"{place}/switch-off/", {"reason": ""}).status_code == 200
    assert pays()
    assert "/switch-off/" in client.get(f"{place}/change/").text
    client.post(f"{place}/switch-off/", {"reason": "the contract ended"})
    assert Floats().credentials == {}
    shown = client.get(f"{place}/change/").text
    assert "/switch-on/" in shown
    assert "/switch-off/" not in shown
    client.post(f"{place}/switch-on/", {"reason": "a new one"})
    assert pays()
    assert list(LogEntry.objects.values_list("change_message", flat=True)) == [
        "Switched on: a new one",
        "Switched off: the contract ended",
    ]


@pytest.mark.parametrize("group", ["viewer", "key admin"])
def test_who_is_no_operator_connects_and_switches_nothing(staff, typed, account, group):
    client, place = staff(group), f"{ACCOUNTS}{account.pk}"

    assert client.get(f"{place}/change/").status_code == 200
    for path, body in (
        (f"{ACCOUNTS}connect/", typed | {"name": "another"}),
        (f"{place}/new-keys/", typed),
        (f"{place}/switch-off/", {"reason": "x"}),
    ):
        assert client.post(path, body).status_code == 403
    assert (MomoAccount.objects.count(), MomoCredentials.objects.count()) == (1, 1)
    assert MomoAccount.objects.get().is_enabled


def test_nobody_edits_or_deletes_by_hand(staff, account):
    client, place = staff("operator"), f"{ACCOUNTS}{account.pk}"
    client.post(f"{place}/change/", {"name": "mine", "callback_url": "https://x.example"})
    client.post(f"{place}/delete/", {"post": "yes"})
    client.post(ACCOUNTS, {"action": "delete_selected", "_selected_action": account.pk})

    assert MomoAccount.objects.get().name == "mtn-cm"


def test_the_page_tells_how_the_operator_does_and_why(staff, mtn, rail, account, prepare, look):
    good = prepare()
    rail.submit([good])
    mtn.state.behaviour.is_down = True
    rail.submit([prepare()])
    mtn.state.behaviour.is_down = False
    client = staff("viewer")
    MomoAccount.objects.update(balance_units=123_456)
    shown = facts(client.get(f"{ACCOUNTS}{account.pk}/change/"))

    assert shown["Good calls"].startswith("50 % of 2 since ")
    assert re.fullmatch(r"\d+ ms on average", shown["Answers in"])
    assert shown["The last trouble"].startswith("a transfer: HTTP 503")
    assert shown["Breaker"] == "closed: payouts go out"
    assert shown["Balance"] == "123456 XAF"
    assert (shown["Under way"], shown["Wait for a person"]) == ("2", "0")
    assert shown["State"] == "pays"


def test_an_open_breaker_says_since_when_and_when_it_is_tried(staff, account):
    breaker.note_calls(**HERE, good=0, bad=20, why="a transfer: HTTP 500")
    client, health = staff("viewer"), OperatorHealth.objects.get()
    shown = facts(client.get(f"{ACCOUNTS}{account.pk}/change/"))
    own = facts(client.get(f"/admin/rails/operatorhealth/{health.pk}/change/"))

    assert shown["State"] == "down"
    assert shown["Breaker"] == own["Breaker"]
    assert shown["Breaker"].startswith(f"open since {health.down_at:%H:%M:%S}: payouts wait")
    assert shown["The last trouble"] == own["Why"] == "a transfer: HTTP 500"


def test_why_an_operator_went_down_stays_until_it_is_up_again(account):
    breaker.note_calls(**HERE, good=0, bad=20, why="a transfer: HTTP 500", seconds=[0.5] * 20)
    health = OperatorHealth.objects.get()
    assert (health.why, health.asked, health.answered) == ("a transfer: HTTP 500", 0, 0)
    OperatorHealth.objects.update(since=timezone.now() - timedelta(hours=1))
    breaker.note_calls(**HERE, good=0, bad=1)
    assert OperatorHealth.objects.get().why == "a transfer: HTTP 500"

    breaker.note_calls(**HERE, good=3, bad=0)

    health = OperatorHealth.objects.get()
    assert (health.down_at, health.why) == (None, "")


def test_sends_show_their_callbacks_and_are_found(staff, rail, account, prepare, look):
    heard, silent = prepare(), prepare()
    rail.submit([heard, silent])
    assert hints.hint(account.callback_token, heard.reference)
    client = staff("viewer")
    shown = facts(client.get(f"{ACCOUNTS}{account.pk}/change/"))
    assert shown["Called back about"].startswith("1 of 2 sends in 1 day, the last 0")

    look(heard)
    send = row(heard)
    found = client.get(SENDS, {"q": f"pay_{send.payout_id.hex}"}).text
    assert heard.reference in found
    assert silent.reference not in found
    page = facts(client.get(f"{SENDS}{send.pk}/change/"))
    assert page["State"] == "paid"
    assert page["Payout"] == f"pay_{send.payout_id.hex}"
    assert MomoSend.objects.filter(hinted_at__isnull=False).count() == 1
