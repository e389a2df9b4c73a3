"""What a chain does not say in one answer: how fast it is, and what a transfer uses.

Both change slowly, so each process measures once a minute.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from engine.rails.evm.chains import connected_chain
from engine.rails.evm.preflights import estimate
from engine.rails.evm.rpc import Call
from engine.rails.models import ChainHead, Token, WalletAsset, WalletPurpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rails.evm.rpc import Chain

MEASURE_SECONDS = 60.0
# The median of short windows: a chain that slept for an hour, as local ones do, slept in
# one of them, and what counts is how fast it is while somebody waits.
WINDOWS = 5
WINDOW_BLOCKS = 4
BLOCK_SECONDS_MIN, BLOCK_SECONDS_MAX = 0.05, 600.0
# A plain payment uses so much; nothing that moves a token can use less.
GAS_MIN = 21_000

# By network and what was measured, so that one that failed is tried again at once.
_measured_at: dict[tuple[str, str], float] = {}


def measure(network: str, *, number: int) -> None:
    """Write the block time and a transfer's gas into the head of `network`.

    Each once a minute; on a chain too young, or without tokens of ours, later. `number`
    is the head's. Raises RailUnavailable.
    """
    chain = connected_chain(network)
    measured: dict[str, float | int | None] = {}
    if _is_due(network, "block_seconds"):
        measured["block_seconds"] = _block_seconds(chain, number)
    if _is_due(network, "transfer_gas"):
        measured["transfer_gas"] = _transfer_gas(chain)
    changes = {name: value for name, value in measured.items() if value is not None}
    if changes:
        ChainHead.objects.filter(network=network).update(**changes)
        _measured_at.update({(network, name): monotonic() for name in changes})


def _is_due(network: str, name: str) -> bool:
    at = _measured_at.get((network, name))
    return at is None or monotonic() >= at + MEASURE_SECONDS


def forget_measures() -> None:
    """Measure again at the next round."""
    _measured_at.clear()


def _block_seconds(chain: Chain, number: int) -> float | None:
    """How long a block takes lately; None on a chain too young to tell."""
    step = min(WINDOW_BLOCKS, number // WINDOWS)
    if step < 1:
        return None
    numbers = [number - step * place for place in range(WINDOWS + 1)]
    blocks = chain.ask([Call("eth_getBlockByNumber", [hex(each), False]) for each in numbers])
    times = [
        int(block["timestamp"], 16)
        for block in blocks
        if isinstance(block, dict) and isinstance(block.get("timestamp"), str)
    ]
    if len(times) < len(numbers):
        return None
    spans = [later - earlier for later, earlier in pairwise(times)]
    return min(max(median(spans) / step, BLOCK_SECONDS_MIN), BLOCK_SECONDS_MAX)


def _transfer_gas(chain: Chain) -> int | None:
    """What the dearest of our tokens needs for a transfer to somebody who never had any.

    None while no wallet of ours holds a token, since a transfer of nothing costs less.
    """
    senders = _senders(chain.network)
    if not senders:
        return None
    limits = dict(Token.objects.filter(network=chain.network).values_list("asset", "gas_limit"))
    stranger = _stranger(chain.network)
    told = chain.ask([estimate(sender, token, stranger, 1) for _, token, sender in senders])
    gas = [
        min(max(int(answer, 16), GAS_MIN), limits[asset])
        for (asset, _, _), answer in zip(senders, told, strict=True)
        if isinstance(answer, str)
    ]
    return max(gas, default=None)


def _senders(network: str) -> Sequence[tuple[str, str, str]]:
    """For each token of the network: asset, contract, and a wallet of ours that holds some."""
    tokens = dict(Token.objects.filter(network=network).values_list("asset", "address"))
    held = (
        WalletAsset.objects.filter(
            wallet__network=network,
            wallet__purpose=WalletPurpose.PAYOUTS,
            asset__in=tokens,
            balance_units__gt=0,
        )
        .order_by("asset", "-balance_units")
        .distinct("asset")
        .values_list("asset", "wallet__address")
    )
    return [(asset, tokens[asset], address) for asset, address in held]


def _stranger(network: str) -> str:
    """An address that holds nothing: the same always, and nobody's, being a bare digest."""
    return to_checksum_address(keccak(text=f"nobody has ever been paid here: {network}")[-20:])
