"""What to offer for gas (EIP-1559), and how much more after waiting in vain.

Clients refuse a replacement that adds less than a tenth to both caps (geth's price bump),
so ours adds 15 %, and never buys above EVM_FEE_CEILING_WEI: it waits instead. A cancel
may go to twice that, since it replaces what may be at the ceiling already.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from engine.common.units import divide_up

BUMP_PERCENT = 115
# The base fee rises by an eighth a block at most, so twice of it lasts for six blocks.
BASE_FEE_TIMES = 2
CANCEL_CEILING_TIMES = 2


@dataclass(frozen=True, slots=True)
class Fees:
    """Both caps of a send, in wei for each gas."""

    max_fee_wei: int
    tip_wei: int


def fees_for(*, base_fee_wei: int, tip_wei: int, is_cancel: bool = False) -> Fees | None:
    """What a new send offers; None while the chain is dearer than our ceiling."""
    ceiling = _ceiling(is_cancel=is_cancel)
    if base_fee_wei + tip_wei > ceiling:
        return None
    return Fees(min(BASE_FEE_TIMES * base_fee_wei + tip_wei, ceiling), tip_wei)


def bumped(
    last: Fees, *, base_fee_wei: int, tip_wei: int, is_cancel: bool = False
) -> Fees | None:
    """What a replacement offers; None when that is more than our ceiling."""
    tip = max(divide_up(last.tip_wei * BUMP_PERCENT, 100), tip_wei)
    most = max(
        divide_up(last.max_fee_wei * BUMP_PERCENT, 100), BASE_FEE_TIMES * base_fee_wei + tip
    )
    least = max(divide_up(last.max_fee_wei * BUMP_PERCENT, 100), base_fee_wei + tip)
    ceiling = _ceiling(is_cancel=is_cancel)
    if least > ceiling:
        return None
    return Fees(min(most, ceiling), tip)


def _ceiling(*, is_cancel: bool) -> int:
    ceiling: int = settings.EVM_FEE_CEILING_WEI
    return ceiling * CANCEL_CEILING_TIMES if is_cancel else ceiling
