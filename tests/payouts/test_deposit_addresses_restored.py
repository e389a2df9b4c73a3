"""Deposit addresses that were handed out after the backup that a house was restored from."""

import pytest

from engine.partners.services import see_end_user
from engine.payouts import fence
from engine.payouts.models import Fence
from tests.payouts.paying_in import ask_for
from tests.rails.test_deposits import XPUB, search
from tests.restoring import Backup

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_address_of_after_the_backup_never_becomes_anothers(acme, settings, tmp_path):
    """Nothing was sent since, so that no fence notices."""
    settings.DEPOSIT_XPUB = XPUB
    search(settings, "ethereum")
    backup = Backup(tmp_path / "dump")
    given = {name: address_of(acme, name) for name in ("alice", "bob")}

    backup.restore()

    assert fence.check()
    assert not Fence.objects.exists()
    again = {name: address_of(acme, name) for name in ("carol", "bob", "alice")}
    assert (again["alice"], again["bob"]) == (given["alice"], given["bob"])
    assert again["carol"] not in given.values()


def address_of(partner, name):
    return ask_for(
        partner, see_end_user(partner_id=partner.pk, livemode=True, external_ref=name)
    )
