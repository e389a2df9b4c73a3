"""A send is cancelled by burning its nonce, and only while no block has taken it."""

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from engine.common.ids import new_id, public_id
from engine.rails.models import Attempt, HotWallet, SignedTransaction, Slot
from engine.rails.wallet_acts import ActRefused, ask_to_cancel
from tests.meeting import Session, wait_until_somebody_waits_for_me

pytestmark = pytest.mark.django_db
OURS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
THEIRS = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
HASH = "0x" + "ab" * 32


@pytest.fixture
def wallet():
    return HotWallet.objects.create(network="ethereum", address=OURS, key_name="hot-1")


@pytest.fixture
def slot(wallet):
    return Slot.objects.create(
        wallet=wallet,
        nonce=7,
        kind="payout",
        asset="USDT",
        units=98_450_000,
        destination=THEIRS,
        to_address="0xdAC17F958D2ee523a2206206994597C13D831ec7",
        gas_limit=80_000,
    )


def attempt_of(slot):
    payout_id = new_id()
    Attempt.objects.create(
        payout_id=payout_id,
        leg=1,
        number=1,
        rail="evm",
        network="ethereum",
        reference=f"ethereum:{OURS}:7",
        payload=str(slot.pk).encode(),
    )
    return public_id("pay", payout_id)


def signed(slot):
    return SignedTransaction.objects.create(
        slot=slot, number=1, kind="transfer", hash=HASH, raw=b"x", max_fee_wei=2, tip_wei=1
    )


@pytest.mark.parametrize("by", ["payout", "reference", "hash"])
def test_a_send_is_cancelled_by_whatever_people_have_of_it(slot, by, capsys):
    names = {
        "payout": attempt_of(slot), "reference": f"ethereum:{OURS.lower()}:7",
        "hash": signed(slot).hash.upper().replace("0X", "0x"),
    }  # fmt: skip

    call_command("cancel_send", names[by])

    slot.refresh_from_db()
    since = slot.cancel_asked_at
    assert since is not None
    assert "nonce 7 of" in capsys.readouterr().out
    call_command("cancel_send", names[by])
    slot.refresh_from_db()
    assert slot.cancel_asked_at == since


def test_a_cancellation_on_a_frozen_wallet_says_that_it_waits(slot, capsys):
    HotWallet.objects.update(frozen_at=timezone.now(), frozen_why="tested")

    call_command("cancel_send", f"ethereum:{OURS}:7")

    assert "That wallet is frozen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"closed_at": "2026-11-01T00:00:00Z"}, "It is final already"),
        ({"mined_block": 5, "mined_hash": HASH}, "It is in block 5 already"),
    ],
)
def test_what_a_chain_has_taken_is_not_cancelled(slot, over, said):
    Slot.objects.filter(pk=slot.pk).update(**over)

    with pytest.raises(CommandError, match=said):
        call_command("cancel_send", f"ethereum:{OURS}:7")

    slot.refresh_from_db()
    assert slot.cancel_asked_at is None


@pytest.mark.parametrize(
    "name",
    ["pay_" + "0" * 32, "pay_zz", HASH, f"ethereum:{OURS}:8", f"ethereum:{OURS}:x", "", "::"],
)
def test_what_is_not_under_way_is_refused(slot, name):
    with pytest.raises(CommandError, match="Nothing is under way"):
        call_command("cancel_send", name)

    slot.refresh_from_db()
    assert slot.cancel_asked_at is None


@pytest.mark.parametrize(
    "state", [{"rail": "simulated"}, {"state": "done", "closed_at": "2026-11-01T00:00:00Z"}]
)
def test_a_payout_that_no_chain_has_just_now_is_refused(slot, state):
    name = attempt_of(slot)
    live = Attempt.objects.get()
    # For ever but for its state: another one, as it would have been.
    attempt = Attempt(**{
        field.attname: getattr(live, field.attname)
        for field in Attempt._meta.concrete_fields if not field.primary_key
    } | {"payout_id": new_id(), "reference": "another"} | state)  # fmt: skip
    attempt.save()
    name = public_id("pay", attempt.payout_id)

    with pytest.raises(CommandError, match="Nothing is under way"):
        call_command("cancel_send", name)


@pytest.mark.django_db(transaction=True)
def test_a_send_that_is_closing_meanwhile_is_not_cancelled(slot):
    with transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(closed_at=timezone.now())
        late = Session(lambda: ask_to_cancel(slot.pk))
        wait_until_somebody_waits_for_me()

    with pytest.raises(ActRefused, match="It is final already"):
        late.wait()
    slot.refresh_from_db()
    assert slot.cancel_asked_at is None
