"""Which key a deposit address has: drawn from its owner, and nobody else's."""

# ruff: noqa: F811 - pytest passes fixtures by name

import hmac
from uuid import UUID

import pytest
from django.db import connection, transaction

from engine.partners.models import EndUser, Partner
from engine.rails import deposits
from engine.rails.derivation import NoSuchChild, place_of, read_account, receiving_address
from engine.rails.models import DepositAddress, DepositKey
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.rails.test_deposits import (  # noqa: F401 - fixtures among them
    EVM,
    OTHER_XPUB,
    PLACES,
    XPUB,
    address_at,
    ask,
    ask_live,
    live_user,
    xpub,
)

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("for_treasury", [False, True])
def test_two_askers_at_once_get_one_key(ask_live, xpub, for_treasury):
    changes = {"end_user_id": None} if for_treasury else {}

    with transaction.atomic():
        first = ask_live(**changes)
        other = Session(lambda: ask_live(**changes, network="polygon"))
        wait_until_somebody_waits_for_me()

    assert other.wait().address == first.address
    assert DepositAddress.objects.count() == 2
    assert DepositKey.objects.count() == 1


def test_a_live_address_is_derived_from_the_extended_public_key(ask_live, xpub):
    row = ask_live()

    key = row.key
    assert row.address == key.address == address_at(XPUB, key)
    assert key.account == read_account(XPUB).fingerprint.hex()


def test_an_owner_has_one_address_on_all_evm_networks_for_all_assets(ask_live, xpub):
    rows = [
        ask_live(asset=asset.code, network=network)
        for asset, network in PLACES
        if network in EVM
    ]

    assert len(rows) == 9
    assert len({row.address for row in rows}) == len({row.key_id for row in rows}) == 1


def test_every_owner_has_an_index_of_its_own(ask_live, partner, xpub):
    stranger = Partner.objects.create(name="Bob's", fee_schedule=partner.fee_schedule)
    user = EndUser.objects.create(partner=stranger, livemode=True, external_ref="user-1")

    rows = [
        ask_live(),
        ask_live(end_user_id=None),
        ask_live(partner_id=stranger.pk, end_user_id=user.pk),
        ask_live(partner_id=stranger.pk, end_user_id=None),
    ]

    assert len({row.key.index for row in rows}) == len({row.address for row in rows}) == 4


def test_a_house_that_has_forgotten_it_gives_an_owner_the_same_address(ask_live, xpub):
    first, treasury = ask_live(), ask_live(end_user_id=None)
    forget_addresses()

    assert ask_live(end_user_id=None).address == treasury.address
    assert ask_live().address == first.address != treasury.address


def forget_addresses():
    """As a restore from a backup does."""
    DepositAddress.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE rails_depositkey DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM rails_depositkey")
        cursor.execute("SELECT zopay_test_enable_always('rails_depositkey')")


def test_an_owner_s_place_is_drawn_from_the_account_and_its_name():
    """Worked out once more here: who changes it gives everybody another address."""
    one = {"partner_id": UUID(int=1), "external_ref": "user-1"}
    code = read_account(XPUB).chain_code
    drawn = hmac.digest(code, b"zopay deposit key of " + bytes(15) + b"\1user user-1", "sha256")

    assert place_of(XPUB, **one) == int.from_bytes(drawn[:8], "big") & (2**62 - 1)
    others = [
        place_of(OTHER_XPUB, **one),
        place_of(XPUB, **one | {"external_ref": "user-2"}),
        place_of(XPUB, **one | {"external_ref": None}),
        place_of(XPUB, **one | {"external_ref": "the treasury"}),
        place_of(XPUB, **one | {"partner_id": UUID(int=2)}),
    ]
    assert len({place_of(XPUB, **one), *others}) == 6


def test_an_invalid_child_is_passed_over(ask_live, xpub, monkeypatch):
    invalid = []

    def first_two_invalid(text, *steps):
        if len(invalid) < 2:
            invalid.append(steps)
            raise NoSuchChild
        return receiving_address(text, *steps)

    monkeypatch.setattr(deposits, "receiving_address", first_two_invalid)

    row = ask_live()

    (a, b), _ = invalid
    assert invalid[1] == (a, b + 1)
    assert row.address == receiving_address(XPUB, a, b + 2)
    assert row.key.index == a * 2**31 + b + 2


@pytest.mark.parametrize("taken", [[7], [7, 8], [2**62 - 1, 0]])
def test_a_place_that_another_owner_has_is_passed_over(
    ask_live, partner, xpub, monkeypatch, taken
):
    for number, index in enumerate(taken):
        owner = EndUser.objects.create(partner=partner, livemode=True, external_ref=str(number))
        DepositKey.objects.create(
            partner=partner,
            end_user=owner,
            index=index,
            account="00000000",
            address=f"0x{number}",
        )
    monkeypatch.setattr(deposits, "place_of", lambda *_, **__: taken[0])

    row = ask_live()

    assert row.key.index == (taken[-1] + 1) % 2**62
    assert row.address == address_at(XPUB, row.key)
    assert ask_live(network="polygon").key == row.key


def test_a_new_extended_key_leaves_old_rows(ask_live, xpub, settings):
    old = ask_live()
    settings.DEPOSIT_XPUB = OTHER_XPUB

    assert ask_live().pk == old.pk
    new = ask_live(network="polygon")

    assert new.key.index != old.key.index
    assert new.address == address_at(OTHER_XPUB, new.key)
    assert {new.key.account, old.key.account} == {
        read_account(text).fingerprint.hex() for text in (XPUB, OTHER_XPUB)
    }
