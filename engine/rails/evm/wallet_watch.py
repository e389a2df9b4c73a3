"""What our wallets hold, as of one block; and an alarm when the gas runs low."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import connection
from django.db.models import F, Q

from engine.common.units import format_units
from engine.rails.alarms import tell_operators
from engine.rails.evm.chains import connected_chain
from engine.rails.evm.rpc import Call
from engine.rails.heads import transfers_left
from engine.rails.models import HotWallet, Token
from engine.rails.networks import NATIVE_SCALE, NETWORKS, explorer_address_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.rails.models import ChainHead

logger = structlog.get_logger(__name__)

# keccak256("balanceOf(address)"), its first four bytes (EIP-20).
BALANCE_OF = "0x70a08231"
# A wallet's row is its lane's lock, so it is left alone while there is nothing to say.
SAY_SECONDS = 15
WORD_DIGITS = 64
# In one order for everybody, and never over a later look. Ceilings stay as they are.
KEEP = """
    INSERT INTO rails_walletasset AS known
        (wallet_id, asset, balance_units, balance_block, seen_at)
    SELECT t.wallet, t.asset, t.units, %(block)s, %(seen_at)s
    FROM unnest(%(wallets)s::bigint[], %(assets)s::text[], %(units)s::numeric[])
        AS t(wallet, asset, units)
    ORDER BY t.wallet, t.asset
    ON CONFLICT (wallet_id, asset) DO UPDATE SET
        balance_units = excluded.balance_units, balance_block = excluded.balance_block,
        seen_at = excluded.seen_at
    WHERE known.seen_at IS NULL OR known.seen_at <= excluded.seen_at
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a wallet holds of a token, in units."""

    wallet_id: int
    asset: str
    units: int


def watch_wallets(head: ChainHead) -> None:
    """Write down the balances of every enabled wallet of the network, at block `head`.

    A block is named, and not "latest": who counts what left since must know since when.
    A node that has not that block any more, or not yet, leaves the last balance standing.
    Raises RailUnavailable.
    """
    wallets = list(HotWallet.objects.filter(network=head.network, is_enabled=True))
    if not wallets:
        return
    tokens = list(Token.objects.filter(network=head.network).values_list("asset", "address"))
    block = hex(head.number)
    calls = []
    for wallet in wallets:
        calls.append(Call("eth_getBalance", [wallet.address, block]))
        calls += [_balance_of(token, wallet.address, block) for _, token in tokens]
    told = connected_chain(head.network).ask(calls)
    width = 1 + len(tokens)
    balances: list[Balance] = []
    for place, wallet in enumerate(wallets):
        gas, *held = told[place * width : (place + 1) * width]
        wei = _number(gas)
        if wei is not None:
            _note_gas(wallet, wei, head)
        balances += [
            Balance(wallet.pk, asset, units)
            for (asset, _), answer in zip(tokens, held, strict=True)
            if (units := _number(answer, digits=WORD_DIGITS)) is not None
        ]
    _keep(balances, head)


def _balance_of(token: str, holder: str, block: str) -> Call:
    calldata = BALANCE_OF + holder.lower().removeprefix("0x").rjust(WORD_DIGITS, "0")
    return Call("eth_call", [{"to": token, "data": calldata}, block])


def _number(answer: object, *, digits: int = 0) -> int | None:
    """A quantity, or one word of `digits`; None for a refusal and for what is neither.

    Where no contract is, a call answers with no word at all, which is not zero.
    """
    if not isinstance(answer, str) or not answer.startswith("0x"):
        return None
    if digits and len(answer) != len("0x") + digits:
        return None
    try:
        return int(answer, 16)
    except ValueError:
        return None


def _keep(balances: Sequence[Balance], head: ChainHead) -> None:
    if not balances:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            KEEP,
            {
                "wallets": [one.wallet_id for one in balances],
                "assets": [one.asset for one in balances],
                "units": [one.units for one in balances],
                "block": head.number,
                "seen_at": head.seen_at,
            },
        )


def _note_gas(wallet: HotWallet, wei: int, head: ChainHead) -> None:
    """Write the native balance down, and tell people when it fell below the alarm."""
    row = HotWallet.objects.filter(pk=wallet.pk)
    # One statement that only one worker's can win: that is what tells once.
    fell = row.filter(
        Q(gas_wei__isnull=True) | Q(gas_wei__gte=F("gas_alarm_wei")), gas_alarm_wei__gt=wei
    )
    seen = {"gas_wei": wei, "gas_block": head.number, "seen_at": head.seen_at}
    if fell.update(**seen):
        _alarm(wallet, wei, head)
    elif wei != wallet.gas_wei or _is_old(wallet.seen_at, head.seen_at):
        row.update(**seen)


def _is_old(seen_at: datetime | None, now: datetime) -> bool:
    return seen_at is None or now - seen_at >= timedelta(seconds=SAY_SECONDS)


def _alarm(wallet: HotWallet, wei: int, head: ChainHead) -> None:
    network = NETWORKS[wallet.network]
    left = transfers_left(wei, head)
    held = f"{format_units(wei, scale=NATIVE_SCALE)} {network.native}"
    logger.warning(
        "wallet_gas_is_low",
        network=wallet.network,
        wallet=wallet.address,
        gas_wei=wei,
        transfers_left=left,
    )
    url = explorer_address_url(wallet.network, wallet.address)
    tell_operators(
        subject=f"A wallet on {network.name} is short of gas",
        text=f"{wallet.address} holds {held}, enough for about {left} transfers at today's"
        f" fees. Without gas its payouts wait.\n\nSend it some {network.native}: {url}\n",
    )
