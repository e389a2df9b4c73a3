"""Live payouts over a real chain with one wallet, for tests that import these fixtures."""

import pytest

from engine.ledger.services import balances
from engine.payouts.models import Payout
from tests.cast import USDT, drain_once
from tests.rails.evm.conftest import devnets, keystore, net, nodes, one_lane, program  # noqa: F401
from tests.rails.evm.play import Killed

ROUNDS_MAX = 30


@pytest.fixture(name="lane")
def lane_fixture(one_lane, settings):  # noqa: F811
    """A single wallet, and engine steps that never wait for a clock."""
    settings.RESUBMIT_SECONDS = 0
    return one_lane


@pytest.fixture(name="chain")
def chain_fixture(net, lane):  # noqa: F811
    return net


@pytest.fixture(name="pay")
def pay_fixture(lane, promise, execute):
    """Quote and execute a live payout on Ethereum."""

    def run(units=100 * USDT):
        quote = promise(units=units)
        execute(quote)
        return quote.payout_id

    return run


def status(payout_id):
    payout = Payout.objects.get(pk=payout_id)
    return payout.status, payout.waiting_for


def finish(chain):
    """Blocks and workers, until every payout has ended."""
    for _ in range(ROUNDS_MAX):
        if not Payout.objects.filter(finished_at__isnull=True).exists():
            return
        chain.mine()
        chain.watch()
        drain_once()
    pytest.fail(f"a payout did not end: {[str(one) for one in Payout.objects.all()]}")


def gas():
    """What networks took from the house, in wei, and where it was booked."""
    held = balances(codes=["network_cost", "custody:ethereum"], asset="ETH", livemode=True)
    return -held.get("network_cost", 0), held.get("custody:ethereum", 0)


def burnt(chain, hashes):
    receipts = [chain.ask("eth_getTransactionReceipt", hash_) for hash_ in hashes]
    return sum(
        int(one["gasUsed"], 16) * int(one["effectiveGasPrice"], 16) for one in receipts if one
    )


def kill_at(monkeypatch, owner, name, *, is_after):
    """Let a worker pass, and die before or after it calls `name` of `owner`."""
    true = getattr(owner, name)

    def die(*values, **names):
        if is_after:
            true(*values, **names)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(owner, name, die)
        try:
            drain_once()
        except Killed:
            return
