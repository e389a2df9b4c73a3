"""Addresses to pay in at: one for each user, asset and network, the same for ever.

No chain is connected yet, so every address here is one that nobody has a key for: a hash
in the shape of its network, told apart by mode. What test mode promises, then, is true
of live mode too, and must change before a live key may take real deposits: what is sent
to such an address on a real chain is lost. Real wallets will replace `_address` for live
keys; rows that exist keep what they say.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

from base58 import b58encode, b58encode_check
from eth_utils.address import to_checksum_address
from nacl.bindings import crypto_core_ed25519_is_valid_point

from engine.common.errors import NotFound
from engine.partners.models import EndUser
from engine.rails.errors import AssetNotOnNetwork
from engine.rails.models import DepositAddress
from engine.rails.networks import (
    Family,
    Network,
    asset_named,
    network_named,
    networks_of,
)

if TYPE_CHECKING:
    from uuid import UUID

_TRON_VERSION = b"\x41"


def deposit_address_for(
    *,
    partner_id: UUID,
    livemode: bool,
    end_user_id: int | None,
    asset: str,
    network: str,
    label: str = "",
) -> DepositAddress:
    """The address at which this user pays in; without a user, the partner's treasury.

    Asking again, also at the same time, gives the same row; the first label stays.

    Raises AssetUnknown, NetworkUnknown, AssetNotOnNetwork, and NotFound when the user is
    another partner's or the other mode's.
    """
    carried, place = asset_named(asset), network_named(network)
    if place.code not in carried.networks:
        raise AssetNotOnNetwork(
            asset=carried.code,
            network=place.name,
            networks=[living.code for living in networks_of(carried)],
        )
    wanted = {
        "partner_id": partner_id,
        "livemode": livemode,
        "end_user_id": end_user_id,
        "asset": carried.code,
        "network": place.code,
    }
    found = DepositAddress.objects.filter(**wanted).first()
    if found is not None:
        return found
    external_ref = _external_ref(partner_id, end_user_id, livemode=livemode)
    owner = f"{partner_id.hex}|{'treasury' if external_ref is None else 'user ' + external_ref}"
    seed = f"{'live' if livemode else 'test'}|{carried.code}|{place.code}|{owner}"
    # Whoever comes second inserts nothing, and reads what the first one wrote.
    DepositAddress.objects.bulk_create(
        [DepositAddress(**wanted, address=_address(place, seed), label=label)],
        ignore_conflicts=True,
    )
    return DepositAddress.objects.get(**wanted)


def _external_ref(partner_id: UUID, end_user_id: int | None, *, livemode: bool) -> str | None:
    if end_user_id is None:
        return None
    refs = EndUser.objects.filter(pk=end_user_id, partner_id=partner_id, livemode=livemode)
    external_ref = refs.values_list("external_ref", flat=True).first()
    if external_ref is None:
        raise NotFound("No such user.")
    return external_ref


def _address(network: Network, seed: str) -> str:
    """A well-formed address that depends on nothing but the seed, and has no key."""
    digest = _digest(seed, 0)
    match network.family:
        case Family.EVM:
            return to_checksum_address(digest[:20])
        case Family.TRON:
            return b58encode_check(_TRON_VERSION + digest[:20]).decode("ascii")
        case Family.SOLANA:
            # One hash in sixteen is a point that a key could have made; the others would
            # be refused as addresses of programs.
            return b58encode(
                next(
                    point
                    for attempt in count()
                    if crypto_core_ed25519_is_valid_point(point := _digest(seed, attempt))
                )
            ).decode("ascii")
        case Family.BITCOIN:
            raise AssertionError("no asset lives on Bitcoin")


def _digest(seed: str, attempt: int) -> bytes:
    return sha256(f"zopay deposit address|{attempt}|{seed}".encode()).digest()
