"""A deposit is credited once, whoever tells us of it, and however often."""

from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from engine.partners.models import EndUser
from engine.payouts.funds import credit_deposit, open_holding, read_purse
from engine.payouts.models import Deposit, Holding
from tests.cast import USDT, footprint, units_held
from tests.meeting import Session, wait_until_somebody_waits_for_me


@pytest.fixture
def credit(funded):
    def run(**changes):
        user = EndUser.objects.get(partner=funded, livemode=True)
        return credit_deposit(
            **{
                "partner_id": funded.pk,
                "livemode": True,
                "end_user_id": user.pk,
                "asset": "USDT",
                "network": "ethereum",
                "units": 5 * USDT,
                "reference": "0xhash:0",
            }
            | changes
        )

    return run


def test_a_deposit_is_credited_to_its_user(credit, funded, books):
    deposit, is_new = credit()

    assert is_new
    assert deposit.status == "confirmed"
    assert units_held(funded, livemode=True) == 1005 * USDT
    assert books("custody:ethereum") == -1005 * USDT


def test_the_same_reference_is_credited_once(credit):
    first, _ = credit()
    before = footprint()

    again, is_new = credit()

    assert (again.pk, is_new) == (first.pk, False)
    assert footprint() == before


def test_the_same_reference_on_another_network_is_another_deposit(credit):
    first, _ = credit()

    assert credit(network="polygon")[0].pk != first.pk


@pytest.mark.django_db(transaction=True)
def test_two_watchers_meet_over_one_deposit_and_credit_it_once(credit, funded):
    with transaction.atomic():
        first, _ = credit()
        second = Session(credit)
        wait_until_somebody_waits_for_me()

    assert second.wait() == (first, False)
    assert units_held(funded, livemode=True) == 1005 * USDT


@pytest.mark.django_db(transaction=True)
def test_two_sessions_open_one_holding(funded):
    user = EndUser.objects.get(partner=funded, livemode=True)
    ask = {"end_user_id": user.pk, "livemode": True, "asset": "USDT", "network": "tron"}
    with transaction.atomic():
        first = open_holding(**ask)
        second = Session(lambda: open_holding(**ask))
        wait_until_somebody_waits_for_me()

    assert second.wait() == first
    assert Holding.objects.filter(network="tron").count() == 1


def test_a_purse_is_read_in_one_statement(funded, django_assert_num_queries):
    with django_assert_num_queries(1):
        purse = read_purse(
            partner_id=funded.pk, livemode=True, external_ref="user-1", asset="USDT"
        )

    assert {network: held.units for network, held in purse.held.items()} == {
        "ethereum": 1000 * USDT
    }


def test_a_user_of_the_other_partner_has_no_purse(funded, other):
    ask = {"livemode": True, "external_ref": "user-1", "asset": "USDT"}

    assert read_purse(partner_id=other.pk, **ask) is None


def test_the_command_credits_a_user_by_hand(funded, capsys):
    call_command(
        "credit", partner="Acme", external_ref="user-9", asset="usdt", network="tron",
        amount="12.5",
    )  # fmt: skip

    assert "Credited as dep_" in capsys.readouterr().out
    assert (
        units_held(funded, livemode=True, external_ref="user-9", network="tron") == 12_500_000
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amount": "1e3"}, "decimal string"),
        ({"asset": "DOGE"}, "We carry"),
        ({"network": "mars"}, "The networks are"),
        ({"asset": "XAUT", "network": "tron"}, "does not live on"),
        ({"partner": "Nobody"}, "no partner named"),
        ({"partner": str(uuid4())}, "no partner with the id"),
    ],
)
def test_the_command_says_what_is_wrong_and_credits_nothing(funded, change, sentence):
    ask = {
        "partner": "Acme",
        "external_ref": "user-9",
        "asset": "USDT",
        "network": "tron",
        "amount": "1",
    }
    before = (footprint(), Deposit.objects.count())

    with pytest.raises(CommandError, match=sentence):
        call_command("credit", **ask | change)

    assert (footprint(), Deposit.objects.count()) == before
