"""The demo is made once, works as printed, and is nobody else's to read."""

import json
import stat

import pytest
from django.core.management import CommandError, call_command

from engine.partners.models import ApiKey, Partner
from engine.payouts.models import Deposit
from tests.cast import Api, footprint


@pytest.fixture
def home(tmp_path, settings, db):
    settings.ZOPAY_DEMO = True
    settings.ZOPAY_HOME = tmp_path / "home"
    return settings.ZOPAY_HOME


@pytest.fixture
def bootstrap(home, capsys):
    def run():
        call_command("bootstrap_demo", json=True)
        return json.loads(capsys.readouterr().out)

    return run


def test_the_demo_has_two_partners_whose_keys_work(bootstrap):
    demo = bootstrap()

    for partner in demo["partners"]:
        for mode, livemode in (("test_key", False), ("live_key", True)):
            api = Api(partner["connect"][mode], livemode=livemode)
            for user in partner["users"]:
                (balance,) = api.get("/balances", external_ref=user["external_ref"]).json()[
                    "balances"
                ]
                assert balance["amount"] == user["amount"]
    assert len({partner["id"] for partner in demo["partners"]}) == 2


def test_making_it_again_changes_nothing(bootstrap, home):
    first = bootstrap()
    before = (footprint(), ApiKey.objects.count(), (home / "demo.json").read_bytes())

    assert bootstrap() == first
    assert (footprint(), ApiKey.objects.count(), (home / "demo.json").read_bytes()) == before


def test_a_lost_file_gets_new_keys_and_no_new_money(bootstrap, home):
    first = bootstrap()
    (home / "demo.json").unlink()

    again = bootstrap()

    assert again["partners"][0]["id"] == first["partners"][0]["id"]
    assert again["partners"][0]["connect"] != first["partners"][0]["connect"]
    assert Deposit.objects.count() == 12


def test_a_file_of_another_database_is_replaced(bootstrap, home):
    home.mkdir(mode=0o700)
    strange = {"partners": [{"connect": {"test_key": "sk_test_x", "live_key": "sk_live_x"}}]}
    (home / "demo.json").write_text(json.dumps(strange))

    assert len(bootstrap()["partners"]) == 2


def test_the_file_is_its_owner_s_alone(bootstrap, home):
    bootstrap()

    assert stat.S_IMODE((home / "demo.json").stat().st_mode) == 0o600


def test_staff_can_sign_in_with_what_is_printed(bootstrap, client):
    for member in bootstrap()["staff"]:
        assert client.login(username=member["username"], password=member["password"])


def test_a_database_that_is_no_demo_gets_none(home, settings):
    settings.ZOPAY_DEMO = False

    with pytest.raises(CommandError, match="not a demo"):
        call_command("bootstrap_demo")

    assert Partner.objects.exists() is False


def test_each_partner_can_disburse(bootstrap):
    from tests.disbursements.merchant import Merchant

    for partner in bootstrap()["partners"]:
        assert list(partner["disbursements"]) == ["key", "secret", "origin"]
        merchant = Merchant(**partner["disbursements"])
        assert merchant.pay()["status"] == "PENDING"


def test_a_demo_from_before_there_were_disbursements_is_equipped(bootstrap, home):
    first = bootstrap()
    older = [
        {name: told for name, told in partner.items() if name != "disbursements"}
        for partner in first["partners"]
    ]
    (home / "demo.json").write_text(json.dumps(first | {"partners": older}))

    again = bootstrap()

    assert again["partners"][0]["connect"] == first["partners"][0]["connect"]
    assert again["partners"][0]["disbursements"] != first["partners"][0]["disbursements"]
