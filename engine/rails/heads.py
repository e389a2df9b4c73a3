"""What we know of a chain's head: rows only, so the web process may ask."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from engine.rails.models import ChainHead

# A head that nobody has refreshed for so long says nothing about now.
STALE_SECONDS = 60


def fresh_head(network: str) -> ChainHead | None:
    """The head as it was seen within the last STALE_SECONDS; None when it was not."""
    return ChainHead.objects.filter(
        network=network, seen_at__gte=timezone.now() - timedelta(seconds=STALE_SECONDS)
    ).first()


def gas_price_wei(head: ChainHead) -> int:
    """What a unit of gas costs in the next block, the tip included."""
    return head.base_fee_wei + head.tip_wei


def transfers_left(wei: int, head: ChainHead | None) -> int | None:
    """How many token transfers `wei` pays for at the fees of `head`; None when unknown."""
    each = 0 if head is None else head.transfer_gas * gas_price_wei(head)
    return wei // each if each else None
