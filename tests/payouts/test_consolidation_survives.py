"""Sweeps whose workers die at any line, or meet another: everything moves once."""

# ruff: noqa: F811 - pytest passes fixtures by name

import pytest
from django.db import transaction

from engine.ledger.services import balances
from engine.payouts import consolidation, tasks
from engine.payouts.consolidation import consolidate, drive
from engine.rails.evm import consolidation as chain_side
from engine.rails.evm import rail, signatures
from engine.rails.models import HotWallet, Slot
from engine.rails.signing import forget_signers
from tests.cast import USDT, count
from tests.meeting import Session, wait_until_somebody_waits_for_me
from tests.payouts.paying_in import (  # noqa: F401 - fixtures among them
    DEPTH,
    ask_for,
    books_are_clean,
    chain,
    devnets,
    keystore,
    net,
    nodes,
    pay,
    program,
    user,
)
from tests.payouts.sweeping import (  # noqa: F401 - fixtures among them
    NEEDED,
    in_hot_wallets,
    kinds,
    paid,
    run,
    settle,
    states,
)

pytestmark = pytest.mark.django_db

DIES = [
    (chain_side, "take_slots"),
    (chain_side, "take_gas"),
    (chain_side, "take_sweep"),
    (chain_side, "with_wallet"),
    (chain_side, "submit_on"),
    (chain_side, "look_up_slots"),
    (rail, "sign_due"),
    (signatures, "store"),
    (consolidation, "_book_gas"),
    (consolidation, "book_network_costs"),
]


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize(("place", "name"), DIES, ids=[name for _, name in DIES])
def test_a_death_anywhere_moves_everything_once(
    chain, paid, monkeypatch, place, name, is_after
):
    before, deaths = in_hot_wallets(chain), 0
    # At its first call and at a later one: when gas is sent, and when tokens are.
    for dead_call in (1, 3):
        with monkeypatch.context() as patched:
            die_at(patched, place, name, is_after=is_after, dead_call=dead_call)
            deaths += has_died(chain)
    assert deaths > 0
    run(chain)
    run(chain)

    assert in_hot_wallets(chain) == before + 65 * USDT
    assert [chain.balance(one) for one in paid] == [0, 0, 3 * USDT]
    assert kinds() == ["consolidation", "consolidation", "gas", "gas"]
    spent = sum(Slot.objects.values_list("spent_wei", flat=True))
    assert balances(codes=["network_cost"], asset="ETH", livemode=True) == {
        "network_cost": -spent
    }


class Death(BaseException):
    """What kill -9 is to a worker, as far as its rows can tell."""


def has_died(chain):
    try:
        for _ in range(3):
            consolidate(**NEEDED)
            drive("ethereum")
            chain.mine(DEPTH)
            drive("ethereum")
    except Death:
        return True
    return False


def die_at(monkeypatch, place, name, *, is_after, dead_call):
    real, calls = getattr(place, name), []

    def dies(*args, **options):
        calls.append(name)
        if len(calls) < dead_call:
            return real(*args, **options)
        if is_after:
            real(*args, **options)
        raise Death

    monkeypatch.setattr(place, name, dies)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["gas", "sweep"])
def test_two_runs_at_once_take_each_nonce_once(chain, paid, step):
    if step == "sweep":
        consolidate(**NEEDED)
        settle(chain)

    lanes = HotWallet.objects.filter(purpose="payouts" if step == "gas" else "deposits")
    with transaction.atomic():
        list(lanes.select_for_update().order_by("pk"))
        others = [Session(lambda: consolidate(**NEEDED)) for _ in range(2)]
        wait_until_somebody_waits_for_me()
    done = [other.wait() for other in others]

    if step == "gas":
        assert sum(one.gas_sent for one in done) == 2
    else:
        assert sum(one.swept for one in done) == 2
    settle(chain)
    run(chain)
    assert kinds() == ["consolidation", "consolidation", "gas", "gas"]


def test_a_survey_that_is_old_takes_nothing(chain, paid):
    old = consolidate(**NEEDED, is_dry=True)
    sweeps = [chain_side.with_wallet("ethereum", one) for one in old.sweeps[:2]]
    run(chain)
    slots = count("rails_slot")

    assert chain_side.take_gas("ethereum", sweeps) == 0
    for one in sweeps:
        assert not chain_side.take_sweep("ethereum", "USDT", one, to=old.to.address)
    assert count("rails_slot") == slots


def test_the_workers_end_what_a_dead_command_began(chain, paid):
    consolidate(**NEEDED)

    tasks.watch_deposits()
    chain.mine(DEPTH)
    tasks.watch_deposits()

    assert not Slot.objects.filter(closed_at=None).exists()
    assert books_are_clean()


def test_gas_goes_out_though_the_signer_has_lost_the_keys_of_deposits(chain, paid, settings):
    """A hot wallet's nonce that is not sent would hold up every payout behind it."""
    consolidate(**NEEDED)
    settle(chain)
    pay(chain, paid[2], 50 * USDT)
    consolidate(**NEEDED)
    assert kinds() == ["consolidation", "consolidation", "gas", "gas", "gas"]
    (settings.KEYSTORE_DIR / "deposits.json").unlink()
    forget_signers()

    drive("ethereum")
    chain.mine(DEPTH)

    assert drive("ethereum") == 2
    opened = Slot.objects.filter(closed_at=None)
    assert set(opened.values_list("kind", flat=True)) == {"consolidation"}
