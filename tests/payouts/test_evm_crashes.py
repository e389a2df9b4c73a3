"""Workers that die, meet, or find that somebody has their key: each payout is paid once."""

from random import Random

import pytest
from django.db import connection, transaction

from engine.ledger import checks
from engine.payouts import sending, watching
from engine.payouts.models import Payout
from engine.rails.evm import looks, signatures
from engine.rails.evm.erc20 import transfer_calldata
from engine.rails.evm.rpc import Chain
from engine.rails.models import (
    Attempt,
    HotWallet,
    SendEvidence,
    SignedTransaction,
    Slot,
)
from tests.cast import EVM_2, FUNDS_UNITS, USDT, drain_once
from tests.meeting import Session, wait_until_so_many_wait_for_me
from tests.payouts.on_chain import (
    burnt,
    chain_fixture,  # noqa: F401
    devnets,  # noqa: F401
    finish,
    gas,
    keystore,  # noqa: F401
    kill_at,
    lane_fixture,  # noqa: F401
    net,  # noqa: F401
    nodes,  # noqa: F401
    one_lane,  # noqa: F401
    pay_fixture,  # noqa: F401
    program,  # noqa: F401
    status,
)
from tests.rails.evm.play import (
    DEPTH,
    LANE,
    calm,
    payments,
    somebody_sends,
    spike,
)

pytestmark = pytest.mark.django_db
commits = pytest.mark.django_db(transaction=True)


def sign_and_lose(lane, pay, monkeypatch):
    """A payout whose bytes are stored and were never sent."""
    payout_id = pay()
    kill_at(monkeypatch, Chain, "send", is_after=False)
    return payout_id, Slot.objects.get(wallet=lane)


def test_the_same_payment_at_our_nonce_keeps_the_hold_and_asks_a_person(
    chain, lane, pay, books, monkeypatch
):
    payout_id, slot = sign_and_lose(lane, pay, monkeypatch)
    code = "0x" + bytes(slot.calldata).hex()
    hash_ = somebody_sends(chain, lane.address, to=slot.to_address, code=code)
    chain.mine(DEPTH)
    for _ in range(3):
        drain_once()
    payout = Payout.objects.get(pk=payout_id)

    assert (payout.status, payout.needs_review) == ("sending", True)
    assert books("user:ethereum:held") == 100 * USDT
    (evidence,) = SendEvidence.objects.filter(kind="look_up")
    assert evidence.body["other"]["hash"] == hash_
    assert Attempt.objects.get().state == "live"


def test_another_payment_at_our_nonce_fails_the_payout_and_stops_the_wallet(
    chain, lane, pay, books, monkeypatch
):
    payout_id, slot = sign_and_lose(lane, pay, monkeypatch)
    code = "0x" + transfer_calldata(to=EVM_2, units=7).hex()
    hash_ = somebody_sends(chain, lane.address, to=slot.to_address, code=code)
    chain.mine(DEPTH)
    drain_once()
    later = pay()
    drain_once()

    payout = Payout.objects.get(pk=payout_id)
    assert (payout.status, payout.failure_code) == ("failed", "nonce_taken")
    assert Attempt.objects.get().proof["other"]["hash"] == hash_
    assert books("user:ethereum:held") == 100 * USDT
    assert books("user:ethereum:available") == FUNDS_UNITS - 100 * USDT
    assert gas() == (0, 0)
    assert status(later) == ("pending", "wallet")


@commits
def test_two_workers_that_prepare_the_same_payouts_make_one_attempt_each(chain, lane, pay):
    ids = [pay(units=(100 + number) * USDT) for number in range(5)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LANE, [lane.pk])
        workers = [Session(lambda: sending.prepare_due(ids)) for _ in range(2)]
        wait_until_so_many_wait_for_me(2)
    for worker in workers:
        worker.wait()

    assert Attempt.objects.count() == 5
    assert sorted(Slot.objects.values_list("nonce", flat=True)) == [0, 1, 2, 3, 4]
    assert HotWallet.objects.get(pk=lane.pk).next_nonce == 5


BOUNDARIES = [
    (sending, "open_attempts"),
    (sending, "live_attempts"),
    (sending, "note_evidence"),
    (signatures, "store"),
    (Chain, "send"),
    (looks, "read_slots"),
    (looks, "note_marks"),
    (watching, "note_evidence"),
    (watching, "close_attempts"),
    (watching, "book_network_costs"),
]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_breaks_in_any_order_each_payout_is_paid_once(
    chain, pay, books, settings, monkeypatch, seed
):
    random = Random(seed)
    settings.EVM_BUMP_SECONDS = 0
    wanted = sorted(
        Payout.objects.get(pk=pay(units=(100 + n) * USDT)).units_received for n in range(6)
    )
    for _ in range(40):
        match random.randrange(8):
            case 0 | 1 | 2:
                owner, name = random.choice(BOUNDARIES)
                kill_at(monkeypatch, owner, name, is_after=random.random() < 0.5)
            case 3 | 4:
                chain.mine()
            case 5:
                chain.ask("anvil_reorg", random.randrange(1, 4), [])
            case 6:
                spike(chain, random.choice([3, 10, 30]))
            case 7:
                for hash_ in SignedTransaction.objects.values_list("hash", flat=True):
                    chain.ask("anvil_dropTransaction", hash_)
    calm(chain)
    finish(chain)

    assert sorted(units for _, units in payments(chain)) == wanted
    assert set(Payout.objects.values_list("status", flat=True)) == {"delivered"}
    assert books("user:ethereum:held") == 0
    mined = [one.mined_hash for one in Slot.objects.all()]
    assert gas() == (burnt(chain, mined), burnt(chain, mined))
    assert checks.check(checks.listed_invariants()).clean
