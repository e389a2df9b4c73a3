"""docs/payments.md does what it says: its samples run, its tables are the house's own."""

import hmac
import json
import re
import sys
from pathlib import Path

import pytest

from engine.common.errors import RequestRefused
from engine.payouts.models import AssetPrice, GatewayFee, Payout
from payments import errors, redirects
from payments.models import Payment, PaymentStatus
from payments.serializers import PaymentForm
from tests.payments.api_cast import Shop, make_token
from tests.payments.till import Till
from tests.samples import run_sample

PAGE = (Path(__file__).parents[2] / "docs" / "payments.md").read_text()
TOKEN = "tk_live_" + "7" * 42
BODY = '{"id":"pay_1","status":"succeeded","description":"Zoë · 日本"}'.encode()
SIGNATURE = hmac.digest(TOKEN.encode(), BODY, "sha256").hex()
HEX = BODY.hex()
RUNS = {
    "python": (
        [sys.executable, "-c"],
        "{sample}\nprint(is_ours(bytes.fromhex('{body}'), '{signature}', '{token}'))",
    ),
    "javascript": (
        ["node", "-e"],
        "{sample}\nconsole.log(isOurs(Buffer.from('{body}', 'hex'), '{signature}', '{token}'));",
    ),
    "php": (
        ["php", "-r"],
        "{sample}\necho var_export(is_ours(hex2bin('{body}'), '{signature}', '{token}'), true);",
    ),
}
FORGED = {
    "another token": {"token": TOKEN[:-1] + "8"},
    "another body": {"body": HEX[:-1] + ("0" if HEX[-1] != "0" else "1")},
    "one bit of the signature": {"signature": ("0" if SIGNATURE[0] != "0" else "1") + SIGNATURE[1:]},
    "no signature": {"signature": ""},
    "half a signature": {"signature": SIGNATURE[:32]},
    "letters of the world": {"signature": "é" * 64},
    "capitals": {"signature": SIGNATURE.upper()},
}  # fmt: skip


def samples(language):
    # Those of the numbered list are indented like it.
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", text, flags=re.MULTILINE) for text in found]


def verdict(language, **changes):
    command, program = RUNS[language]
    (sample,) = samples(language)
    told = {"body": HEX, "signature": SIGNATURE, "token": TOKEN} | changes
    for name, text in told.items():
        program = program.replace(f"{{{name}}}", text)
    return run_sample(command, program.replace("{sample}", sample)).lower()


@pytest.mark.parametrize("language", RUNS)
def test_a_sample_takes_what_is_ours(language):
    assert verdict(language) == "true"


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("language", RUNS)
def test_a_sample_takes_nothing_else(language, changes):
    assert verdict(language, **changes) == "false"


@pytest.fixture
def shop(acme):
    kept = [(model, list(model.objects.all())) for model in (AssetPrice, GatewayFee)]
    Till(acme, livemode=False)
    yield Shop(make_token(acme, livemode=False))
    for model, rows in kept:
        model.objects.exclude(pk__in=[row.pk for row in rows]).delete()
        for row in rows:
            row.save()


@pytest.mark.django_db(transaction=True)
def test_the_calls_lead_from_a_token_to_succeeded(shop, acme, live_server, finish):
    form = make_token(acme, livemode=False, may_pay_out=False, may_fill_forms=True)
    told = {}

    def call(sample):
        environment = {
            "ZOPAY_URL": live_server.url,
            "ZOPAY_TOKEN": shop.token,
            "ZOPAY_FORM_TOKEN": form,
            "PAYMENT": told.get("id", ""),
            "SESSION": told.get("state", {}).get("fields", {}).get("session", ""),
        }
        told.update(json.loads(run_sample(["sh", "-c"], sample, NO_PROXY="*", **environment)))
        return dict(told)

    ask, look, fill, agree = samples("sh")
    asked = call(ask)
    assert asked["externalId"] == "order-1456"
    assert call(ask)["id"] == asked["id"]
    assert call(look) == asked
    assert call(fill)["state"]["view"] == "review"
    assert call(agree)["state"]["view"] == "result"
    finish()

    assert call(look)["status"] == "succeeded"
    assert (Payment.objects.count(), Payout.objects.count()) == (1, 1)


def test_the_page_names_every_code_status_and_field_that_this_door_has():
    ours = {
        one.code
        for module in (errors, redirects)
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, RequestRefused)
        and one.__module__ == module.__name__
    }
    named = set(re.findall(r"`([A-Za-z_]+)`", PAGE))

    assert ours - {"unauthorized"} <= named
    assert set(PaymentStatus.values) <= named
    assert set(PaymentForm().fields) <= named


def test_the_page_answers_in_the_shape_of_the_house():
    (first, _) = [json.loads(text) for text in samples("json")]

    assert list(first) == [
        "id", "status", "url", "externalId", "amount", "currency", "description", "metadata",
        "createdAt",
    ]  # fmt: skip
