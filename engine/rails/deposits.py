"""Addresses to pay in at: one for each user, asset and network, the same for ever.

On EVM networks a live address is derived from DEPOSIT_XPUB: its owner's key, the same on
all of them and for all assets, is somewhere safe, and no web host has it. It is handed out
only once the network is searched for deposits: what arrives before that is not found.

All others are hashes in the shape of their network, told apart by mode, that nobody has a
key for: test mode's for ever, live ones only where nothing real can be sent to them by
mistake. A house that is connected to a chain hands none out (`_may_pretend`), and what it
handed out before is retired for one with a key, or refused.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

import structlog
from base58 import b58encode, b58encode_check
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from nacl.bindings import crypto_core_ed25519_is_valid_point

from engine.common.errors import NotFound
from engine.partners.models import EndUser
from engine.rails.checksums import checksummed
from engine.rails.connections import connected_networks
from engine.rails.derivation import (
    PLACES,
    NoSuchChild,
    place_of,
    read_account,
    receiving_address,
    steps_of,
)
from engine.rails.errors import AssetNotOnNetwork, DepositsUnavailable
from engine.rails.models import DepositAddress, DepositKey, DepositWatch
from engine.rails.networks import (
    NETWORKS,
    Asset,
    Family,
    Network,
    asset_named,
    network_named,
    networks_of,
)

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

logger = structlog.get_logger(__name__)

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

    Asking again, also at the same time, gives the same row; the first label stays. The one
    exception is a live address without a key: it is retired as soon as there can be one
    with a key, since nobody could ever have been paid there.

    Raises AssetUnknown, NetworkUnknown, AssetNotOnNetwork, DepositsUnavailable when there
    could only be an address that nobody has a key for, or that nobody looks at, and
    NotFound when the user is another partner's or the other mode's.
    """
    carried, place = _living(asset, network)
    wanted = {
        "partner_id": partner_id,
        "livemode": livemode,
        "end_user_id": end_user_id,
        "asset": carried.code,
        "network": place.code,
    }
    is_derived = livemode and place.family is Family.EVM and bool(settings.DEPOSIT_XPUB)
    if livemode and not (is_searched(place.code) if is_derived else _may_pretend(place.code)):
        raise DepositsUnavailable(network=place.name)
    found = DepositAddress.objects.standing().filter(**wanted).first()
    if found is not None and (found.key_id is not None or not is_derived):
        return found
    external_ref = _external_ref(partner_id, end_user_id, livemode=livemode)
    made = DepositAddress(**wanted, label=label if found is None else found.label)
    if is_derived:
        made.key = key_of(
            partner_id=partner_id, end_user_id=end_user_id, external_ref=external_ref
        )
        made.address = made.key.address
    else:
        made.address = _address(place, _seed(made, external_ref))
    _insert(made, instead_of=found)
    return DepositAddress.objects.standing().get(**wanted)


def _living(asset: str, network: str) -> tuple[Asset, Network]:
    carried, place = asset_named(asset), network_named(network)
    if place.code not in carried.networks:
        raise AssetNotOnNetwork(
            asset=carried.code,
            network=place.name,
            networks=[living.code for living in networks_of(carried)],
        )
    return carried, place


def _insert(made: DepositAddress, *, instead_of: DepositAddress | None) -> None:
    with transaction.atomic():
        if instead_of is not None:
            # Whoever comes second waits here, and finds it retired.
            standing = DepositAddress.objects.standing().filter(pk=instead_of.pk)
            standing.update(retired_at=Now())
        # Whoever comes second inserts nothing, and reads what the first one wrote.
        DepositAddress.objects.bulk_create([made], ignore_conflicts=True)


def addresses_told(*, partner_id: UUID, livemode: bool) -> QuerySet[DepositAddress]:
    """The addresses of a partner's users, and its own, that may still be paid at."""
    rows = DepositAddress.objects.standing().filter(partner_id=partner_id, livemode=livemode)
    if not livemode:
        return rows
    nobodys = [network for network in NETWORKS if not _may_pretend(network)]
    return rows.exclude(network__in=nobodys, key__isnull=True) if nobodys else rows


def key_of(
    *, partner_id: UUID, end_user_id: int | None, external_ref: str | None
) -> DepositKey:
    """The owner's key under the account of DEPOSIT_XPUB, at a place that is its alone.

    The place follows from the owner, so that a house that was restored from a backup names
    the same address again, and never gives it to somebody else. After DEPOSIT_XPUB has
    changed it is a new key: the old account's keys may be lost, which may be why it was
    changed. Raises XpubInvalid.
    """
    account = read_account(settings.DEPOSIT_XPUB).fingerprint.hex()
    wanted = {"partner_id": partner_id, "end_user_id": end_user_id, "account": account}
    index = place_of(settings.DEPOSIT_XPUB, partner_id=partner_id, external_ref=external_ref)
    while True:
        found = DepositKey.objects.filter(**wanted).first()
        if found is not None:
            return found
        # Whoever comes second inserts nothing, and reads what the first one wrote. Nobody
        # reads anything only when another owner has this place, by one chance in 2**62
        # for each, or when BIP-32 has no key there: then it is the next one.
        with suppress(NoSuchChild):
            address = receiving_address(settings.DEPOSIT_XPUB, *steps_of(index))
            DepositKey.objects.bulk_create(
                [DepositKey(**wanted, index=index, address=address)], ignore_conflicts=True
            )
        index = (index + 1) % PLACES


def begin_search(network: str, *, head: int) -> DepositWatch:
    """The network's row; when it is new, the search begins at `head`, the newest block.

    From here on addresses may be handed out: whoever gets one is paid in a later block.
    """
    watch, is_new = DepositWatch.objects.get_or_create(
        network=network, defaults={"next_block": head}
    )
    if is_new:
        logger.info("deposits_watched", network=network, next_block=head)
    return watch


def is_searched(network: str) -> bool:
    """Whether what arrives on this network from now on will be found."""
    return (
        network in connected_networks()
        and DepositWatch.objects.filter(network=network).exists()
    )


def _may_pretend(network: str) -> bool:
    """Whether a live address that nobody has a key for does no harm.

    So while no chain is connected at all, and in the demo on networks that are not. A
    house with real money on one network must not take it to the grave on another.
    """
    connected = connected_networks()
    return not connected or (settings.ZOPAY_DEMO and network not in connected)


def _external_ref(partner_id: UUID, end_user_id: int | None, *, livemode: bool) -> str | None:
    if end_user_id is None:
        return None
    refs = EndUser.objects.filter(pk=end_user_id, partner_id=partner_id, livemode=livemode)
    external_ref = refs.values_list("external_ref", flat=True).first()
    if external_ref is None:
        raise NotFound("No such user.")
    return external_ref


def _seed(made: DepositAddress, external_ref: str | None) -> str:
    mode = "live" if made.livemode else "test"
    owner = "treasury" if external_ref is None else f"user {external_ref}"
    return f"{mode}|{made.asset}|{made.network}|{made.partner_id.hex}|{owner}"


def _address(network: Network, seed: str) -> str:
    """A well-formed address that depends on nothing but the seed, and has no key."""
    digest = _digest(seed, 0)
    match network.family:
        case Family.EVM:
            return checksummed(digest[:20])
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
