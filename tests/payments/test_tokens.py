"""Who may ask: a token of the right box, mode, place and time, looked up every time."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.common.secrets import SealBroken, unseal
from engine.partners.keys import TOKEN, digest_key, new_key_text, parse_key
from engine.webhooks.services import TOKEN_PURPOSE
from payments.models import Payment, Token
from payments.tokens import mint_token, revoke_token
from tests.meeting import Session
from tests.payments.api_cast import Shop, assert_is_problem, make_token, traces

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(till):
    return Shop(make_token(till.partner, livemode=till.livemode))


def test_a_token_is_found_by_its_digest_and_opens_for_webhooks(till):
    token, text = mint_token(
        partner=till.partner, livemode=till.livemode, name="shop", may_pay_out=True
    )

    assert parse_key(text, kind=TOKEN).livemode is till.livemode
    assert len(text) == len("tk_live_") + 36 + 6
    assert bytes(token.digest) == digest_key(text)
    assert unseal(TOKEN_PURPOSE, bytes(token.sealed_text)).decode() == text
    assert str(token) == f"{text[:8]}…{text[-4:]}"
    assert text.encode() not in bytes(token.sealed_text)


def test_a_sealed_token_opens_for_nothing_else(till):
    token, _ = mint_token(
        partner=till.partner, livemode=till.livemode, name="shop", may_pay_out=True
    )

    with pytest.raises(SealBroken):
        unseal("webhook endpoint", bytes(token.sealed_text))


def test_a_token_works(shop):
    assert shop.ask().status_code == 201
    assert shop.get().status_code == 200


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer ", "{}", "Basic {}", "Bearer  {}"])
def test_only_bearer_is_a_scheme_here(shop, text):
    answer = shop.client.get(
        "/api/payments", headers={"authorization": text.format(shop.token)}
    )

    assert_is_problem(answer, 401, "unauthorized")
    assert answer["WWW-Authenticate"] == 'Bearer realm="zopay"'


def test_the_scheme_is_of_any_case(shop):
    headers = {"authorization": f"bEARER {shop.token}"}
    assert shop.client.get("/api/payments", headers=headers).status_code == 200


def changed(text, place):
    return text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]


def test_junk_is_refused_before_the_database_is_asked(shop, mint):
    junk = [
        "tk_test_n4912345faza90aefk4c3awf",
        shop.token[:-1],
        f"{shop.token}a",
        changed(shop.token, 20),
        changed(shop.token, -1),
        shop.token.swapcase(),
        mint(Token.objects.first().partner, livemode=True),
        "x" * 3000,
        "tk_live_" + "é" * 42,
    ]
    for text in junk:
        stranger = Shop(text)
        with CaptureQueriesContext(connection) as caught:
            answer = stranger.get()
        assert_is_problem(answer, 401, "unauthorized")
        assert caught.captured_queries == [], text


def test_a_well_formed_token_nobody_minted_is_asked_for_once(shop, till):
    text = new_key_text(livemode=till.livemode, prefixes={True: "tk_live_", False: "tk_test_"})
    with CaptureQueriesContext(connection) as caught:
        assert_is_problem(Shop(text).ask(), 401, "unauthorized")
    assert len(caught.captured_queries) == 1


def test_a_connect_key_opens_nothing_here_and_a_token_nothing_there(shop, till, mint):
    key = mint(till.partner, livemode=till.livemode)

    assert_is_problem(Shop(key).get(), 401, "unauthorized")
    headers = {"authorization": f"Bearer {shop.token}"}
    answer = shop.client.get("/connect/v1/networks", headers=headers)
    assert_is_problem(answer, 401, "unauthorized")


def test_a_revoked_token_stops_at_once(shop):
    before = traces()
    assert revoke_token(Token.objects.latest("id"))

    assert_is_problem(shop.ask(), 401, "unauthorized")
    assert not revoke_token(Token.objects.latest("id"))
    assert traces() == before


def test_an_expired_token_stops(shop):
    Token.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert shop.get().status_code == 200

    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert_is_problem(shop.get(), 401, "unauthorized")


@pytest.mark.parametrize(
    ("cidrs", "is_admitted"),
    [
        (["127.0.0.1/32"], True),
        (["10.0.0.0/8", "127.0.0.0/8"], True),
        (["::/0"], False),
        (["203.0.113.0/24"], False),
    ],
)
def test_a_token_works_from_its_networks_alone(till, cidrs, is_admitted):
    shop = Shop(make_token(till.partner, livemode=till.livemode, cidrs=cidrs))
    before = traces()

    answer = shop.ask()

    if is_admitted:
        assert answer.status_code == 201
    else:
        assert_is_problem(answer, 401, "unauthorized")
        assert traces() == before


def test_a_forged_forwarding_header_admits_nobody(till):
    shop = Shop(make_token(till.partner, livemode=till.livemode, cidrs=["203.0.113.0/24"]))

    answer = shop.post(headers={"x-forwarded-for": "203.0.113.7"})

    assert_is_problem(answer, 401, "unauthorized")


def test_live_tokens_wait_until_the_partner_is_approved_and_test_tokens_do_not(till):
    till.partner.is_approved = False
    till.partner.save()
    live = Shop(make_token(till.partner, livemode=True))
    test = Shop(make_token(till.partner, livemode=False))

    assert_is_problem(live.get(), 403, "partner_not_approved")
    assert test.get().status_code == 200


@pytest.mark.parametrize(
    ("boxes", "allowed"),
    [
        ({"may_pay_out": True}, {"list", "get", "post", "views", "step"}),
        ({"may_pay_out": False, "may_fill_forms": True}, {"views", "step"}),
        (
            {"may_pay_out": True, "may_fill_forms": True},
            {"list", "get", "post", "views", "step"},
        ),
    ],
)
def test_each_box_opens_its_own_doors(till, shop, boxes, allowed):
    made = shop.make()["id"]
    boxed = Shop(make_token(till.partner, livemode=till.livemode, **boxes))
    calls = {
        "list": boxed.get,
        "get": lambda: boxed.get(f"/api/payments/{made}"),
        "post": lambda: boxed.ask(amount="11.00"),
        "views": lambda: boxed.get("/api/views", type="payout"),
        "step": lambda: boxed.step(made),
    }
    before = Payment.objects.count()

    for name, call in calls.items():
        answer = call()
        if name in allowed:
            assert answer.status_code in {200, 201}, (name, answer.content)
        else:
            assert_is_problem(answer, 403, "forbidden")
            assert "Payout" in answer.json()["detail"]
    assert Payment.objects.count() == before + ("post" in allowed)


def test_the_last_use_is_written_at_most_once_a_minute(shop):
    shop.get()
    first = Token.objects.latest("id").last_used_at
    with CaptureQueriesContext(connection) as caught:
        for _ in range(5):
            shop.get()
    assert Token.objects.latest("id").last_used_at == first
    assert not [q for q in caught.captured_queries if q["sql"].lstrip().startswith("UPDATE")]

    Token.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    shop.get()
    assert Token.objects.latest("id").last_used_at > timezone.now() - timedelta(seconds=30)


@pytest.mark.django_db(transaction=True)
def test_a_token_in_somebody_else_s_hands_makes_no_user_wait(shop):
    with transaction.atomic():
        Token.objects.select_for_update().get(pk=Token.objects.latest("id").pk)
        assert Session(shop.get).wait().status_code == 200


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "\u202e\u200b"},
        {"may_pay_out": False, "may_fill_forms": False},
        {"cidrs": ["10.0.0.1/8"]},
        {"cidrs": ["everywhere"]},
        {"expires_at": timezone.now() - timedelta(days=1)},
    ],
)
def test_nothing_is_minted_of_wrong_wishes(acme, options):
    with pytest.raises(ValidationError):
        make_token(acme, livemode=True, **options)
    assert not Token.objects.exists()


# --- The command -----------------------------------------------------------------


def test_the_command_prints_one_json_object(acme, capsys):
    call_command("mint_payments_token", partner="Acme", mode="test", json=True)

    told = json.loads(capsys.readouterr().out)
    assert sorted(told) == ["mode", "partner", "partner_id", "token"]
    assert (told["mode"], told["partner"], told["partner_id"]) == ("test", "Acme", str(acme.pk))
    token = Token.objects.get(digest=digest_key(told["token"]))
    assert (token.livemode, token.may_pay_out, token.may_fill_forms) == (False, True, False)


def test_the_command_prints_the_token_alone_and_ticks_what_it_is_told(acme, capsys):
    call_command("mint_payments_token", partner=str(acme.pk), mode="live", form=True)

    token = Token.objects.get(digest=digest_key(capsys.readouterr().out.strip()))
    assert (token.livemode, token.may_pay_out, token.may_fill_forms) == (True, True, True)


@pytest.mark.parametrize(
    "options", [{"partner": "Nobody"}, {"partner": "Acme", "cidr": ["10.0.0.1/8"]}]
)
def test_the_command_says_what_is_wrong(acme, options):
    with pytest.raises(CommandError):
        call_command("mint_payments_token", mode="test", **options)
    assert not Token.objects.exists()
