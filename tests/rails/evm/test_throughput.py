"""How fast one lane is, through the whole engine: a figure, not a limit.

ZOPAY_THROUGHPUT_PAYOUTS=1000 and `-s` print what docs/performance.md quotes.
"""

import os
from time import monotonic, process_time, sleep

import pytest
from django.db import connection

from engine.payouts import sweeps
from engine.payouts.models import Payout
from engine.rails.models import ChainHead, HotWallet, Slot
from tests.cast import USDT, fund
from tests.payouts.conftest import execute, promise  # noqa: F401
from tests.rails.evm.conftest import Net
from tests.rails.evm.play import payments

PAYOUTS = int(os.environ.get("ZOPAY_THROUGHPUT_PAYOUTS", "60"))
SECONDS_MAX = 100
# The devnet's own pace where the figure is wanted, a quicker one where only the way is tried.
BLOCK_SECONDS = 1.0 if PAYOUTS >= 500 else 0.2


@pytest.fixture
def running(nodes, keystore, settings):
    """A chain that makes its blocks by itself, and a single, roomy lane on it."""
    from zopay_site.embedded import settle_in

    net = Net(nodes("ethereum", block_seconds=BLOCK_SECONDS), "ethereum")
    settings.RPC_URLS = {"ethereum": (net.url,)}
    settle_in.settle_in()
    net.watch()
    lane = HotWallet.objects.earliest("pk")
    HotWallet.objects.exclude(pk=lane.pk).update(is_enabled=False)
    HotWallet.objects.update(in_flight_max=10_000)
    ChainHead.objects.update(block_seconds=BLOCK_SECONDS)
    return net


@pytest.mark.django_db
def test_a_lane_drains(running, acme, funded, promise, execute):  # noqa: F811
    fund(acme, livemode=True, units=PAYOUTS * 10 * USDT)
    for _ in range(PAYOUTS):
        execute(promise(units=10 * USDT))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    began, worked, sent_at = monotonic(), process_time(), None
    while Payout.objects.filter(finished_at__isnull=True).exists():
        assert monotonic() < began + SECONDS_MAX
        if not sweeps.drain():
            sleep(0.05)
        if sent_at is None and not Payout.objects.filter(status="pending").exists():
            sent_at = monotonic() - began
    seconds, worked = monotonic() - began, process_time() - worked

    print(
        f"{PAYOUTS} payouts over one lane: {PAYOUTS / sent_at:.0f} a second handed over,"
        f" {PAYOUTS / seconds:.0f} a second until final {BLOCK_SECONDS} s times 5 blocks later,"
        f" {PAYOUTS / worked:.0f} for each second of the worker's own processor time"
    )
    assert len(payments(running)) == PAYOUTS
    assert sorted(Slot.objects.values_list("nonce", flat=True)) == list(range(PAYOUTS))
