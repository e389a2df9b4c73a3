"""The network fee of the next quotes, measured where it will be paid.

A transfer's gas, times what a unit of gas costs now (base fee and tip of the next block),
times the price of the coin, and a margin on top. That is an expectation and no worst case:
a send offers twice the base fee at most, but pays only what its block asks. The margin is
for the minute that a quote lives and the time until its block, in which the base fee may
rise by an eighth a block, and fall as well. Where it was too little the house pays, where
it was too much the house earns; the price of a quote that somebody holds never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from engine.common.units import divide_up
from engine.payouts.models import NativePrice, NetworkFee
from engine.payouts.pricing import forget_prices
from engine.rails.connections import connected_networks
from engine.rails.depths import depth_needed
from engine.rails.heads import fresh_head, gas_price_wei
from engine.rails.networks import NATIVE_SCALE, NETWORKS

if TYPE_CHECKING:
    from datetime import datetime

    from engine.rails.models import ChainHead

logger = structlog.get_logger(__name__)

PERCENT = 100
# A row is written when a price has moved by more than so much, or has not for so long.
MOVED_PERCENT = 1
REWRITE_SECONDS = 60

# Why a network's fee stands still, by network: said once, not at every round.
_standing: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Measured:
    """A transfer's price in micro-dollars and its seconds to final, as of a moment."""

    usd_micros: int
    seconds: int
    as_of: datetime


def price_networks() -> int:
    """Write the fees of connected networks that follow their chains; how many changed.

    Without a fresh head or a price of its coin, a network keeps the fee that it has.
    """
    rows = NetworkFee.objects.filter(network__in=connected_networks(), follows_chain=True)
    prices = dict(NativePrice.objects.values_list("asset", "usd_micros"))
    changed = 0
    for row in rows:
        head = fresh_head(row.network)
        usd_micros = prices.get(NETWORKS[row.network].native)
        why = "no fresh head" if head is None else "no price of its coin"
        if head is None or usd_micros is None:
            _stand_still(row.network, why)
            continue
        _standing.pop(row.network, None)
        changed += _write(row, measured(head, coin_usd_micros=usd_micros))
    if changed:
        forget_prices()
    return changed


def measured(head: ChainHead, *, coin_usd_micros: int) -> Measured:
    """What a transfer will cost and how long it takes, by the head of its chain.

    `coin_usd_micros` is the price of one whole coin. The depth is that of the smallest
    amounts; what must lie deeper says so on its own timeline.
    """
    wei = divide_up(
        head.transfer_gas
        * gas_price_wei(head)
        * (PERCENT + settings.NETWORK_FEE_MARGIN_PERCENT),
        PERCENT,
    )
    return Measured(
        usd_micros=divide_up(wei * coin_usd_micros, 10**NATIVE_SCALE),
        seconds=ceil(depth_needed(head.network, "", 0) * head.block_seconds),
        as_of=head.seen_at,
    )


def _write(row: NetworkFee, new: Measured) -> bool:
    """Store what has moved or grown old; whether that was so."""
    moved = abs(new.usd_micros - row.transfer_usd_micros) * PERCENT
    if (
        moved <= MOVED_PERCENT * row.transfer_usd_micros
        and new.seconds == row.seconds
        and new.as_of - row.as_of < timedelta(seconds=REWRITE_SECONDS)
    ):
        return False
    # Unless somebody has written it, or switched this off, since we read it.
    return bool(
        NetworkFee.objects.filter(pk=row.pk, follows_chain=True, as_of=row.as_of).update(
            transfer_usd_micros=new.usd_micros, seconds=new.seconds, as_of=new.as_of
        )
    )


def _stand_still(network: str, why: str) -> None:
    if _standing.get(network) != why:
        _standing[network] = why
        logger.warning("network_fee_stands_still", network=network, why=why)
