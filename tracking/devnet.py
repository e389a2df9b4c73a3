"""One transaction of a development chain, in words: a page where an explorer would be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from engine.common.units import format_units
from engine.rails.checksums import checksummed
from engine.rails.models import Token
from engine.rails.networks import ASSETS, NATIVE_SCALE, NETWORKS
from engine.rails.places import shorten
from tracking.page import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.rails.evm_reader import ChainTransaction, TokenTransfer


@dataclass(frozen=True, slots=True)
class Paid:
    """Who paid whom how much. `contract` is the token's; "" for the chain's own coin.

    `asset` is "" for a token that is not on the allow-list: it may call itself anything.
    """

    amount: str
    asset: str
    contract: str
    sender: str
    to: str


@dataclass(frozen=True, slots=True)
class DevnetPage:
    network: str
    short: str
    hash: str
    state: str
    block: str
    confirmations: int
    paid: list[Paid]
    gas: str
    native: str
    receipt: str


def page_of_transaction(network: str, seen: ChainTransaction) -> DevnetPage:
    """What the page shows of it. One query, and only where a token moved."""
    known = NETWORKS[network]
    return DevnetPage(
        network=known.name,
        short=shorten(seen.hash),
        hash=seen.hash,
        state=_state(seen),
        block="" if seen.block is None else str(seen.block),
        confirmations=seen.confirmations,
        paid=_paid(network, seen),
        gas="" if seen.gas_wei is None else _coins(seen.gas_wei),
        native=known.native,
        receipt="" if seen.receipt is None else json.dumps(seen.receipt, indent=2),
    )


def _state(seen: ChainTransaction) -> str:
    if seen.succeeded is None:
        return gettext("Waiting to be taken into a block")
    return gettext("Done") if seen.succeeded else gettext("Failed")


def _paid(network: str, seen: ChainTransaction) -> list[Paid]:
    """Its token transfers; without any, what it moved of the chain's own coin."""
    if not seen.transfers:
        coin, amount = NETWORKS[network].native, _coins(seen.value_wei)
        return [Paid(amount, coin, "", _address(seen.sender), _address(seen.to))]
    assets = {
        address.lower(): asset
        for address, asset in Token.objects.filter(network=network).values_list(
            "address", "asset"
        )
    }
    return [_token_paid(transfer, assets) for transfer in seen.transfers]


def _token_paid(transfer: TokenTransfer, assets: Mapping[str, str]) -> Paid:
    asset = assets.get(transfer.token, "")
    amount = str(transfer.units)
    if asset in ASSETS:
        amount = readable(format_units(transfer.units, scale=ASSETS[asset].scale))
    return Paid(
        amount=amount,
        asset=asset,
        contract=_address(transfer.token),
        sender=_address(transfer.sender),
        to=_address(transfer.to),
    )


def _coins(wei: int) -> str:
    return readable(format_units(wei, scale=NATIVE_SCALE))


def _address(text: str) -> str:
    """With its checksum, as people compare it. A new contract has no recipient."""
    return checksummed(bytes.fromhex(text.removeprefix("0x"))) if text else ""
