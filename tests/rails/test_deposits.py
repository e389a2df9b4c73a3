"""Deposit addresses: well formed, the same for ever, and nobody else's."""

import pytest
from django.db import transaction

from engine.common.errors import NotFound
from engine.common.ids import new_id, parse_public_id
from engine.partners.models import EndUser, Partner
from engine.rails.addresses import read_address
from engine.rails.deposits import deposit_address_for
from engine.rails.errors import AssetNotOnNetwork, AssetUnknown, NetworkUnknown
from engine.rails.models import DepositAddress
from engine.rails.networks import ASSETS
from tests.meeting import Session, wait_until_somebody_waits_for_me

PLACES = [(asset, network) for asset in ASSETS.values() for network in asset.networks]

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(partner, end_user):
    def make(**changes):
        wanted = {
            "partner_id": partner.pk,
            "livemode": False,
            "end_user_id": end_user.pk,
            "asset": "USDT",
            "network": "tron",
        }
        return deposit_address_for(**wanted | changes)

    return make


@pytest.mark.parametrize(("asset", "network"), PLACES)
def test_an_address_is_well_formed_wherever_the_asset_lives(ask, asset, network):
    row = ask(asset=asset.code.lower(), network=network.upper())

    assert (row.asset, row.network) == (asset.code, network)
    read = read_address(row.address)
    assert read.canonical == row.address
    assert network in read.networks


def test_asking_again_gives_the_same_row_and_keeps_its_label(ask):
    first = ask(label="savings")

    again = ask(label="other")

    assert (again.pk, again.address, again.label) == (first.pk, first.address, "savings")
    assert parse_public_id("addr", again.public_id) == first.pk
    assert DepositAddress.objects.count() == 1


def test_the_same_user_gets_the_same_address_in_a_new_house(ask, partner, end_user):
    first = ask()
    DepositAddress.objects.all().delete()
    end_user.delete()
    returned = EndUser.objects.create(partner=partner, livemode=False, external_ref="user-1")

    assert ask(end_user_id=returned.pk).address == first.address


def test_everybody_has_an_address_of_their_own(ask, partner):
    stranger = Partner.objects.create(name="Bob's", fee_schedule=partner.fee_schedule)
    users = [
        EndUser.objects.create(partner=owner, livemode=livemode, external_ref=reference)
        for owner in (partner, stranger)
        for livemode in (True, False)
        for reference in ("treasury", "user user-1")
    ]
    rows = [
        ask(partner_id=user.partner_id, livemode=user.livemode, end_user_id=user.pk)
        for user in users
    ]
    rows += [
        ask(partner_id=owner.pk, livemode=livemode, end_user_id=None)
        for owner in (partner, stranger)
        for livemode in (True, False)
    ]
    rows += [ask(), ask(network="base"), ask(asset="XAUT", network="ethereum")]

    assert len({row.address for row in rows}) == len(rows) == 15


def test_the_treasury_has_one_address(ask):
    assert ask(end_user_id=None).pk == ask(end_user_id=None).pk
    assert ask(end_user_id=None).end_user is None


@pytest.mark.parametrize("wrong", [{"livemode": True}, {"partner_id": new_id()}])
def test_another_partner_s_or_mode_s_user_is_not_found(ask, wrong):
    ask()

    with pytest.raises(NotFound):
        ask(**wrong)

    assert DepositAddress.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"asset": "BTC"}, AssetUnknown),
        ({"network": "moon"}, NetworkUnknown),
        ({"network": "bitcoin"}, AssetNotOnNetwork),
        ({"asset": "XAUT"}, AssetNotOnNetwork),
    ],
)
def test_an_address_where_the_asset_does_not_live_is_refused(ask, wrong, error):
    with pytest.raises(error):
        ask(**wrong)

    assert DepositAddress.objects.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("for_treasury", [False, True])
def test_two_askers_at_once_get_the_same_row(ask, for_treasury):
    changes = {"end_user_id": None} if for_treasury else {}

    with transaction.atomic():
        first = ask(**changes)
        other = Session(lambda: ask(**changes))
        wait_until_somebody_waits_for_me()

    assert other.wait().pk == first.pk
    assert DepositAddress.objects.count() == 1
