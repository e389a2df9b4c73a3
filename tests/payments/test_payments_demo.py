"""The demo's part of payments: tokens that work at once, money, and a host to return to."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from engine.partners.models import Partner
from engine.payouts.floats import read_float
from engine.payouts.models import AssetPrice, FloatCredit
from payments.models import Token
from payments.tokens import revoke_token
from tests.payments.api_cast import Shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def bootstrap(tmp_path, settings, capsys):
    settings.ZOPAY_DEMO = True
    settings.ZOPAY_HOME = tmp_path / "home"

    def run():
        call_command("bootstrap_demo", json=True)
        return json.loads(capsys.readouterr().out)["partners"]

    return run


def test_each_demo_partner_pays_in_both_modes_and_currencies(bootstrap):
    for partner in bootstrap():
        assert sorted(partner["payments"]) == ["live_token", "test_token"]
        for name, livemode in (("test_token", False), ("live_token", True)):
            shop = Shop(partner["payments"][name])
            assert partner["payments"][name].startswith("tk_live_" if livemode else "tk_test_")
            shop.make(amount="10000.00")
            shop.make(currency="XAF", amount="5000000")
            left = read_float(partner_id=partner["id"], livemode=livemode, currency="EUR")
            assert left.units == 0


def test_a_demo_partner_may_send_people_back(bootstrap):
    for partner in bootstrap():
        (host,) = Partner.objects.get(pk=partner["id"]).redirect_hosts
        shop = Shop(partner["payments"]["test_token"])
        shop.make(redirectUrl=f"https://{host}/thanks")
        assert host.endswith(".example")


def test_the_demo_s_rates_are_fresh_and_its_forms_ask_for_every_method(bootstrap):
    AssetPrice.objects.update(as_of=timezone.now() - timedelta(days=30))
    partner = bootstrap()[0]

    told = Shop(partner["payments"]["test_token"]).get("/api/views", type="payout").json()

    assert {method["id"] for method in told["methods"]} == {
        "mobile_money",
        "bank_transfer",
        "stablecoin",
    }


def test_again_changes_nothing_and_a_revoked_token_is_replaced(bootstrap):
    first = bootstrap()
    credited = FloatCredit.objects.count()
    assert bootstrap() == first
    assert (Token.objects.count(), FloatCredit.objects.count()) == (4, credited)

    revoke_token(Token.objects.earliest("id"))
    again = bootstrap()

    assert FloatCredit.objects.count() == credited
    assert again[0]["payments"] != first[0]["payments"]
    assert again[1] == first[1]
    assert Shop(again[0]["payments"]["test_token"]).get().status_code == 200
