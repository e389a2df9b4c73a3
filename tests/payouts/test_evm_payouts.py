"""Live payouts over a real chain: the engine, the rail, the books and the chain agree."""

import pytest

from engine.ledger import checks
from engine.ledger.models import Movement
from engine.payouts import errors
from engine.payouts.models import Payout
from engine.rails.evm import looks
from engine.rails.models import (
    Attempt,
    HotWallet,
    SendEvidence,
    SignedTransaction,
    Slot,
    WalletAsset,
)
from tests.cast import EVM, FUNDS_UNITS, USDT, drain_once, footprint
from tests.payouts.on_chain import (
    burnt,
    chain_fixture,  # noqa: F401
    devnets,  # noqa: F401
    finish,
    gas,
    keystore,  # noqa: F401
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
    GWEI,
    calm,
    owner_does,
    payments,
    pool,
    spike,
)

pytestmark = pytest.mark.django_db


def test_a_payout_is_delivered_once_and_the_books_know_what_it_cost(chain, pay, books):
    payout_id = pay()
    drain_once()
    assert status(payout_id)[0] == "broadcast"
    assert (books("custody:ethereum"), books("user:ethereum:held")) == (
        -FUNDS_UNITS,
        100 * USDT,
    )
    for _ in range(DEPTH - 1):
        chain.mine()
        drain_once()
    assert status(payout_id)[0] == "broadcast"
    chain.mine()
    drain_once()
    payout = Payout.objects.get(pk=payout_id)
    hash_ = SignedTransaction.objects.get().hash

    assert (payout.status, payout.rail, payout.waiting_for) == ("delivered", "evm", "")
    assert payments(chain) == [(EVM.lower(), payout.units_received)]
    fee = 100 * USDT - payout.units_received
    assert books("user:ethereum:held") == 0
    assert books("custody:ethereum") == -(FUNDS_UNITS - payout.units_received)
    assert books("fees") == fee > 0
    assert gas() == (burnt(chain, [hash_]), burnt(chain, [hash_]))
    assert [one.reference for one in Movement.objects.filter(asset="ETH")] == [
        f"gas:ethereum:{hash_}"
    ]
    assert checks.check(checks.listed_invariants()).clean
    drain_once()
    assert Movement.objects.filter(asset="ETH").count() == 1


def test_the_attempt_is_named_by_its_nonce_and_people_see_the_hash(chain, lane, pay):
    payout_id = pay()
    drain_once()
    finish(chain)

    attempt = Attempt.objects.get()
    hash_ = SignedTransaction.objects.get().hash
    assert (attempt.reference, attempt.state) == (f"ethereum:{lane.address}:0", "done")
    assert attempt.proof["hash"] == hash_
    events = Payout.objects.get(pk=payout_id).events.order_by("id")
    assert [(one.status, one.reference) for one in events][-2:] == [
        ("broadcast", hash_),
        ("delivered", hash_),
    ]


def test_a_look_that_says_nothing_new_leaves_no_evidence(chain, pay, settings):
    settings.RESUBMIT_SECONDS = 3600
    pay()
    for _ in range(3):
        drain_once()
    chain.mine()
    for _ in range(DEPTH - 1):
        drain_once()
        chain.mine()

    bodies = (
        SendEvidence.objects.filter(kind="look_up")
        .order_by("id")
        .values_list("body", flat=True)
    )
    assert [(body["outcome"], body.get("block") is not None) for body in bodies] == [
        ("seen", False),
        ("seen", True),
    ]


def test_a_transfer_that_fails_on_the_chain_fails_and_costs_gas_once(chain, pay, books):
    payout_id = pay()
    drain_once()
    hash_ = SignedTransaction.objects.get().hash
    chain.ask("anvil_dropTransaction", hash_)
    owner_does(chain, "blacklist(address)", EVM)
    drain_once()
    finish(chain)
    payout = Payout.objects.get(pk=payout_id)

    assert (payout.status, payout.failure_code) == ("failed", "transfer_reverted")
    assert books("user:ethereum:available") == FUNDS_UNITS
    assert books("user:ethereum:held") == 0
    assert (books("custody:ethereum"), books("fees")) == (-FUNDS_UNITS, 0)
    assert gas() == (burnt(chain, [hash_]), burnt(chain, [hash_]))
    assert gas()[0] > 0
    assert payments(chain) == []
    assert checks.check(checks.listed_invariants()).clean


def test_a_destination_that_the_token_refuses_fails_before_anything_is_taken(
    chain, lane, pay, books
):
    owner_does(chain, "blacklist(address)", EVM)
    payout_id = pay()
    drain_once()
    payout = Payout.objects.get(pk=payout_id)

    assert (payout.status, payout.failure_code) == ("failed", "destination_rejected")
    assert books("user:ethereum:available") == FUNDS_UNITS
    assert (Slot.objects.count(), Attempt.objects.count(), gas()) == (0, 0, (0, 0))
    assert HotWallet.objects.get(pk=lane.pk).next_nonce == 0


CAUSES = {
    "liquidity": (
        lambda _: WalletAsset.objects.update(balance_units=USDT),
        lambda chain: chain.watch(),
    ),
    "gas": (
        lambda _: HotWallet.objects.update(gas_wei=1),
        lambda chain: chain.watch(),
    ),
    "lane_full": (
        lambda _: HotWallet.objects.update(in_flight_max=0),
        lambda _: HotWallet.objects.update(in_flight_max=64),
    ),
    "wallet": (
        lambda _: HotWallet.objects.update(frozen_at="2026-01-01T00Z", frozen_why="x"),
        lambda _: HotWallet.objects.update(frozen_at=None, frozen_why=""),
    ),
    "wallet_ceiling": (
        lambda _: WalletAsset.objects.update(ceiling_units=USDT),
        lambda _: WalletAsset.objects.update(ceiling_units=None),
    ),
    "token": (
        lambda chain: owner_does(chain, "pause()"),
        lambda chain: owner_does(chain, "unpause()"),
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_cannot_be_sent_now_waits_says_for_what_and_goes_on_by_itself(
    chain, lane, pay, books, cause
):
    happen, pass_by = CAUSES[cause]
    happen(chain)
    payout_id = pay()
    for _ in range(3):
        drain_once()

    assert status(payout_id) == ("pending", cause)
    assert books("user:ethereum:held") == 100 * USDT
    assert (Slot.objects.count(), Attempt.objects.count(), pool(chain)) == (0, 0, 0)
    assert HotWallet.objects.get(pk=lane.pk).next_nonce == 0

    pass_by(chain)
    drain_once()
    finish(chain)
    assert status(payout_id) == ("delivered", "")
    assert len(payments(chain)) == 1


def test_a_chain_that_is_away_is_waited_for(chain, pay, settings):
    payout_id = pay()
    urls, settings.RPC_URLS = settings.RPC_URLS, {}
    drain_once()
    assert status(payout_id) == ("pending", "chain")

    settings.RPC_URLS = urls
    finish(chain)
    assert status(payout_id) == ("delivered", "")


def test_a_chain_that_is_too_dear_is_waited_for(chain, pay, settings):
    settings.EVM_FEE_CEILING_WEI = 40 * GWEI
    payout_id = pay()
    spike(chain, 60)
    for _ in range(3):
        drain_once()
    assert status(payout_id)[0] == "sending"
    assert SignedTransaction.objects.count() == 0

    calm(chain)
    chain.mine()
    finish(chain)
    assert status(payout_id)[0] == "delivered"
    assert len(payments(chain)) == 1


@pytest.mark.parametrize("is_configured", [True, False])
def test_where_nothing_is_connected_a_live_payout_is_refused_and_nothing_moves(
    funded, promise, execute, settings, is_configured
):
    settings.RPC_URLS = {"ethereum": ()} if is_configured else {}
    quote = promise()
    settings.PAYOUT_RAIL = ""
    before = footprint()

    with pytest.raises(errors.RouteUnavailable):
        execute(quote)

    assert footprint() == before


def test_test_mode_never_touches_a_chain(chain, lane, promise, execute, settings):
    settings.PAYOUT_RAIL = ""
    quote = promise(livemode=False)
    execute(quote)
    drain_once()

    assert Payout.objects.get(pk=quote.payout_id).rail == "simulated"
    assert (Slot.objects.count(), pool(chain)) == (0, 0)


def test_a_success_that_the_token_does_not_confirm_is_for_a_person(
    chain, pay, books, monkeypatch
):
    monkeypatch.setattr(looks, "has_transfer", lambda *_, **__: False)
    payout_id = pay()
    for _ in range(DEPTH + 2):
        drain_once()
        chain.mine()
    payout = Payout.objects.get(pk=payout_id)

    assert (payout.status, payout.needs_review) == ("broadcast", True)
    assert books("user:ethereum:held") == 100 * USDT
    assert gas() == (0, 0)
