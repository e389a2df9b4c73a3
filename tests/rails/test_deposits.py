"""Deposit addresses: well formed, the same for ever, and nobody else's."""

import pytest
from django.core.checks import run_checks
from django.db import IntegrityError, connection, transaction

from engine.common.errors import NotFound
from engine.common.ids import new_id, parse_public_id
from engine.partners.models import EndUser, Partner
from engine.rails import deposits
from engine.rails.addresses import read_address
from engine.rails.deposits import addresses_told, begin_search, deposit_address_for
from engine.rails.derivation import receiving_address
from engine.rails.errors import (
    AssetNotOnNetwork,
    AssetUnknown,
    DepositsUnavailable,
    NetworkUnknown,
)
from engine.rails.models import DepositAddress, DepositKey
from engine.rails.networks import ASSETS, NETWORKS, Family
from tests.meeting import Session, wait_until_somebody_waits_for_me

# m/44'/60'/0' and m/44'/60'/1' of the mnemonic of all BIP-39 examples: nobody's secret.
XPUB = "xpub6DCoCpSuQZB2jawqnGMEPS63ePKWkwWPH4TU45Q7LPXWuNd8TMtVxRrgjtEshuqpK3mdhaWHPFsBngh5GFZaM6si3yZdUsT8ddYM3PwnATt"
OTHER_XPUB = "xpub6DCoCpSuQZB2k9PnGSMK9tinTK8kx3hcv7F4BWwhs5N2wnwGiLg17r9J7j2JcYP9gkip3sC87J1F99YxeBHGuFMg6ejA8qQEKSuzzaKvqBR"
EVM = [network for network, place in NETWORKS.items() if place.family is Family.EVM]
PLACES = [(asset, network) for asset in ASSETS.values() for network in asset.networks]

pytestmark = pytest.mark.django_db


@pytest.fixture
def live_user(partner):
    return EndUser.objects.create(partner=partner, livemode=True, external_ref="user-1")


@pytest.fixture
def ask_live(ask, live_user):
    def make(**changes):
        wanted = {"livemode": True, "end_user_id": live_user.pk, "network": "ethereum"}
        return ask(**wanted | changes)

    return make


@pytest.fixture
def xpub(settings):
    """Addresses may be derived, on every network that could have one."""
    settings.DEPOSIT_XPUB = XPUB
    search(settings, *EVM)


def search(settings, *networks):
    """Connect these and no others, to a node that nothing in these tests asks."""
    settings.RPC_URLS = dict.fromkeys(networks, ("http://127.0.0.1:1",))
    for network in networks:
        begin_search(network, head=100)


@pytest.fixture
def connected(settings):
    """Ethereum has a node; nothing in these tests asks it."""
    settings.RPC_URLS = {"ethereum": ("http://127.0.0.1:1",)}


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


def test_test_mode_never_names_a_real_address(ask, xpub, connected):
    assert ask(network="ethereum").key is None
    assert DepositKey.objects.count() == 0

    with pytest.raises(IntegrityError, match="deposit_address_with_a_key_is_live"):
        make_key_and_test_address(ask)


def make_key_and_test_address(ask):
    row = ask()
    key = deposits.key_of(
        partner_id=row.partner_id, end_user_id=row.end_user_id, external_ref="user-1"
    )
    DepositAddress.objects.create(
        partner_id=row.partner_id,
        livemode=False,
        asset="USDT",
        network="ethereum",
        address=key.address,
        key=key,
    )


@pytest.mark.parametrize("network", EVM)
def test_an_address_on_a_network_that_is_not_connected_is_not_given(
    ask_live, settings, network
):
    """Also when it was searched once, and may be again."""
    settings.DEPOSIT_XPUB = XPUB
    search(settings, *EVM)
    settings.RPC_URLS = {
        other: urls for other, urls in settings.RPC_URLS.items() if other != network
    }

    with pytest.raises(DepositsUnavailable):
        ask_live(network=network)

    assert (DepositAddress.objects.count(), DepositKey.objects.count()) == (0, 0)


def test_an_address_is_not_given_before_its_network_is_searched(ask_live, settings, connected):
    settings.DEPOSIT_XPUB = XPUB

    with pytest.raises(DepositsUnavailable):
        ask_live()
    assert (DepositAddress.objects.count(), DepositKey.objects.count()) == (0, 0)

    begin_search("ethereum", head=100)
    assert ask_live().key is not None


def test_a_search_begins_once(connected):
    assert begin_search("ethereum", head=100).next_block == 100
    assert begin_search("ethereum", head=200).next_block == 100


def test_other_families_have_no_keys_yet(ask_live, xpub, settings):
    settings.RPC_URLS = {}
    assert ask_live(network="tron").key is None
    assert ask_live(network="solana").key is None


def address_at(xpub, key):
    return receiving_address(xpub, key.index >> 31, key.index & (2**31 - 1))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rails_depositkey SET partner_id = gen_random_uuid()",
        "UPDATE rails_depositkey SET index = index + 1",
        "DELETE FROM rails_depositkey",
        "TRUNCATE rails_depositkey CASCADE",
        "UPDATE rails_depositaddress SET address = 'elsewhere'",
        "UPDATE rails_depositaddress SET end_user_id = NULL",
        "UPDATE rails_depositaddress SET key_id = NULL",
        "UPDATE rails_depositaddress SET retired_at = now()",
    ],
)
def test_whose_an_address_is_never_changes(ask_live, xpub, change):
    row = ask_live()

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(change)

    row.refresh_from_db()
    assert (row.address, row.retired_at) == (row.key.address, None)


@pytest.mark.parametrize("network", EVM)
def test_without_an_extended_key_a_connected_house_hands_out_nothing(
    ask_live, connected, network
):
    for _ in range(2):
        with pytest.raises(DepositsUnavailable):
            ask_live(network=network)

    assert DepositAddress.objects.count() == 0


def test_a_connected_house_hands_out_no_pretended_address_of_any_family(ask_live, connected):
    with pytest.raises(DepositsUnavailable):
        ask_live(network="tron")


def test_the_demo_pretends_only_where_nothing_is_connected(ask_live, connected, settings):
    settings.ZOPAY_DEMO = True

    assert ask_live(network="tron").key is None
    assert ask_live(network="polygon").key is None
    with pytest.raises(DepositsUnavailable):
        ask_live()


def test_an_old_address_without_a_key_is_not_handed_out_once_connected(
    ask_live, ask, partner, settings
):
    old = ask_live()
    in_test_mode = ask(network="ethereum")
    settings.RPC_URLS = {"ethereum": ("http://127.0.0.1:1",)}

    with pytest.raises(DepositsUnavailable):
        ask_live()

    assert list(addresses_told(partner_id=partner.pk, livemode=True)) == []
    told = addresses_told(partner_id=partner.pk, livemode=False)
    assert list(told) == [in_test_mode]
    old.refresh_from_db()
    assert old.retired_at is None


def test_an_old_address_without_a_key_is_replaced_by_one_with_a_key(
    ask_live, partner, settings
):
    old = ask_live(label="savings")
    settings.DEPOSIT_XPUB = XPUB
    search(settings, "ethereum")

    new = ask_live(label="other")

    assert (ask_live().pk, new.label) == (new.pk, "savings")
    assert new.address == address_at(XPUB, new.key) != old.address
    old.refresh_from_db()
    assert old.retired_at is not None
    assert list(addresses_told(partner_id=partner.pk, livemode=True)) == [new]


@pytest.mark.django_db(transaction=True)
def test_two_who_replace_an_old_address_at_once_get_the_same_row(ask_live, settings):
    ask_live()
    settings.DEPOSIT_XPUB = XPUB
    search(settings, "ethereum")

    with transaction.atomic():
        first = ask_live()
        other = Session(ask_live)
        wait_until_somebody_waits_for_me()

    assert other.wait().pk == first.pk
    assert DepositAddress.objects.standing().count() == 1
    assert DepositAddress.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "ids"),
    [("", []), (XPUB, []), (XPUB[:-1] + "x", ["rails.E001"]), ("hello", ["rails.E001"])],
)
def test_a_wrong_extended_key_stops_the_start(settings, text, ids):
    settings.DEPOSIT_XPUB = text

    found = [one for one in run_checks() if one.id.startswith("rails.")]

    assert [one.id for one in found] == ids
    assert all(len(text) < 10 or text not in str(one) for one in found)
