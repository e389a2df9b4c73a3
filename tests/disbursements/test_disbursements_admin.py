"""Signing keys, floats, fees and batches, as staff meet them."""

import json
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command

from disbursements import batches
from disbursements.models import Batch, SigningKey
from engine.payouts.links import tracking_url
from engine.payouts.models import FloatCredit, GatewayFee
from tests.cast import footprint
from tests.disbursements.merchant import Merchant, csv_of

KEYS = "/admin/disbursements/signingkey/"
BATCHES = "/admin/disbursements/batch/"
CREDITS = "/admin/payouts/floatcredit/"
MINT = {"name": "shop", "origins": "https://shop.example", "cidrs": ""}
CREDIT = {"currency": "XAF", "amount": "5000", "reference": "BANK-1", "reason": "seen"}


@pytest.fixture
def staff(client, db):
    """Signs in as a member of a group, or as the administrator."""

    def sign_in(group=""):
        user = User.objects.create_user("somebody", password="x", is_staff=True)
        user.is_superuser = not group
        user.save()
        user.groups.set(Group.objects.filter(name=group))
        client.force_login(user)
        return client

    return sign_in


def test_a_minted_key_is_shown_once_and_works(staff, acme):
    page = staff("key admin").post(f"{KEYS}mint/", MINT | {"partner": acme.pk})

    (secret,) = re.findall(r">(zs_live_[\w-]+)</textarea>", page.text)
    key = SigningKey.objects.get()
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert key.key in page.text
    assert Merchant(key.key, secret).get().status_code == 200
    assert secret not in " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert [str(one) for one in get_messages(page.wsgi_request)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"origins": ""}, {"origins": "shop.example"}, {"origins": "https://shop.example/x"},
        {"origins": "javascript://x"}, {"cidrs": "10.0.0.1/8"}, {"name": "\u200b"},
    ],
)  # fmt: skip
def test_a_key_of_another_form_is_not_minted(staff, acme, change):
    page = staff("key admin").post(f"{KEYS}mint/", MINT | {"partner": acme.pk} | change)

    assert page.status_code == 200
    assert SigningKey.objects.count() == 0


def test_only_who_may_mint_mints(staff, acme):
    client = staff("operator")

    assert client.post(f"{KEYS}mint/", MINT | {"partner": acme.pk}).status_code == 403
    assert client.get(KEYS).status_code == 200
    assert SigningKey.objects.count() == 0


def test_a_key_is_revoked_by_a_post_alone(staff, acme, merchant):
    client, key = staff("key admin"), SigningKey.objects.get()

    assert client.get(f"{KEYS}{key.pk}/revoke/").status_code == 200
    assert merchant.get().status_code == 200
    client.post(f"{KEYS}{key.pk}/revoke/")
    assert merchant.get().json()["message"] == "Merchant not found"
    assert merchant.secret not in client.get(f"{KEYS}{key.pk}/change/").text


def test_an_operator_credits_a_float_once_with_a_reason(staff, acme, left):
    client = staff("operator")
    assert client.get(f"{CREDITS}credit/").status_code == 200

    for _ in range(2):
        assert (
            client.post(f"{CREDITS}credit/", CREDIT | {"partner": acme.pk}).status_code == 302
        )

    assert left() == 5000
    credit = FloatCredit.objects.get()
    assert (credit.reference, credit.reason, credit.by) == ("BANK-1", "seen", "somebody")
    assert "5000 XAF" in client.get(CREDITS).text
    assert "5000 XAF" in client.get("/admin/payouts/partnerfloat/").text


@pytest.mark.parametrize(
    "change",
    [{"reason": ""}, {"reference": ""}, {"amount": "0"}, {"amount": "5.5"}, {"amount": "-5"}],
)
def test_a_credit_of_another_form_books_nothing(staff, acme, change):
    before = footprint()
    page = staff("operator").post(f"{CREDITS}credit/", CREDIT | {"partner": acme.pk} | change)

    assert page.status_code == 200
    assert FloatCredit.objects.count() == 0
    assert footprint() == before


def test_a_reference_is_not_credited_with_another_amount(staff, acme, left):
    client = staff("operator")
    client.post(f"{CREDITS}credit/", CREDIT | {"partner": acme.pk})
    page = client.post(f"{CREDITS}credit/", CREDIT | {"partner": acme.pk, "amount": "6000"})

    assert "credited with another amount" in page.text
    assert left() == 5000


def test_a_viewer_credits_nothing(staff, acme):
    assert (
        staff("viewer").post(f"{CREDITS}credit/", CREDIT | {"partner": acme.pk}).status_code
        == 403
    )
    assert FloatCredit.objects.count() == 0


def test_fees_are_edited(staff):
    client, fee = staff(), GatewayFee.objects.get(gateway="mtn_momo", currency="XAF")

    assert "0.30 %" in client.get("/admin/payouts/gatewayfee/").text
    assert client.get(f"/admin/payouts/gatewayfee/{fee.pk}/change/").status_code == 200


def test_a_batch_shows_its_progress_and_its_bad_rows(staff, merchant, finish, monkeypatch):
    from engine.payouts.models import BlockedDestination

    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    BlockedDestination.objects.create(destination="+237670000001", reason="a test")
    file_id = merchant.upload(csv_of(4)).json()["file_id"]
    merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})
    batch, client = Batch.objects.get(), staff("viewer")
    pages = []

    def look():
        page = client.get(f"{BATCHES}{batch.pk}/change/")
        bars = re.findall(r'<progress [^>]*max="4" value="(\d)">', page.text)
        facts = re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page.text)
        pages.append((bars, facts, page.headers.get("Refresh")))
        return page

    look()
    floats = client.get("/admin/payouts/partnerfloat/").text
    assert "99592 XAF" in floats
    assert "408 XAF" in floats
    batches._pay_some(batch.pk)
    page = look()
    assert 'max="4" value="2">' in client.get(BATCHES).text
    batches.pay_batches()
    finish()
    look()

    refused = ("Line 3", "Payouts to this destination are not allowed.")
    aside = "Set aside for rows to come"
    assert pages == [
        (["0", "0"], [("NOT YET A PAYOUT", "4"), (aside, "408.00 XAF")], "5"),
        (
            ["2", "1"],
            [
                ("NOT YET A PAYOUT", "2"),
                ("PENDING", "1"),
                ("REFUSED", "1"),
                (aside, "204.00 XAF"),
                refused,
            ],
            "5",
        ),
        (
            ["4", "4"],
            [("SUCCESS", "3"), ("REFUSED", "1"), (aside, "0.00 XAF"), refused],
            None,
        ),
    ]
    assert "loads itself anew" in page.text


def test_a_batch_shows_a_hundred_bad_rows_and_no_more(staff, merchant):
    from engine.payouts.models import BlockedDestination

    for number in range(130):
        BlockedDestination.objects.create(
            destination=f"+237{670_000_000 + number}", reason="a test"
        )
    file_id = merchant.upload(csv_of(130)).json()["file_id"]
    merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})
    batches.pay_batches()
    page = staff("viewer").get(f"{BATCHES}{Batch.objects.get().pk}/change/").text

    assert page.count("<dt>Line ") == 100


def test_payouts_of_floats_are_shown_like_others(staff, merchant):
    from engine.payouts.models import Payout

    merchant.pay()
    client = staff("viewer")

    assert "5025 XAF" in client.get("/admin/payouts/payout/").text
    payout = Payout.objects.get()
    page = client.get(f"/admin/payouts/payout/{payout.pk}/change/")
    assert page.status_code == 200
    assert tracking_url(payout.pk) in page.text
    assert client.get("/admin/payouts/quote/").status_code == 200


def test_a_key_is_minted_at_the_terminal(acme, capsys):
    call_command("mint_signing_key", partner="Acme", origin=["https://shop.example"], json=True)
    told = json.loads(capsys.readouterr().out)

    assert Merchant(told["key"], told["secret"], told["origin"]).get().status_code == 200
    for bad in ({"origin": ["shop"]}, {"origin": ["https://a.example"], "cidr": ["x"]}):
        with pytest.raises(CommandError):
            call_command("mint_signing_key", partner="Acme", **bad)


def test_a_float_is_credited_at_the_terminal_once(acme, left, capsys):
    options = {
        "partner": "Acme", "currency": "XAF", "amount": "500", "reference": "B", "reason": "r"
    }  # fmt: skip
    call_command("credit", **options)
    call_command("credit", **options)

    assert left() == 500
    assert capsys.readouterr().out == "Credited.\nIt was credited before; nothing moved.\n"
    for change in (
        {"amount": "501"}, {"currency": "XYZ"}, {"reason": None}, {"amount": "0.5"},
        {"currency": None},
    ):  # fmt: skip
        with pytest.raises(CommandError):
            call_command("credit", **options | change)
    assert left() == 500
