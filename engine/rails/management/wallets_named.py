"""Finding the wallet, the person or the send that somebody names at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db.models import Q

from engine.common.ids import parse_public_id
from engine.rails.errors import NetworkUnknown
from engine.rails.models import Attempt, AttemptState, HotWallet, SignedTransaction, Slot
from engine.rails.networks import network_named

if TYPE_CHECKING:
    from argparse import ArgumentParser

REFERENCE_PARTS = 3


def add_wallet_arguments(parser: ArgumentParser) -> None:
    """Which wallet."""
    parser.add_argument("wallet", help="its address, or what its key is called")
    parser.add_argument("--network", default="", help="when it is known on several")


def network_code(name: str) -> str:
    """The code of the network called `name`, or '' for ''. Raises CommandError."""
    try:
        return name and network_named(name).code
    except NetworkUnknown as refusal:
        raise CommandError(refusal.message) from None


def wallet_named(name: str, *, network: str) -> HotWallet:
    """The one wallet of that address or key name. Raises CommandError."""
    found = HotWallet.objects.filter(Q(address__iexact=name) | Q(key_name=name))
    if code := network_code(network):
        found = found.filter(network=code)
    wallets = list(found[:2])
    if not wallets:
        raise CommandError(f"There is no wallet {name}{f' on {code}' if code else ''}.")
    if len(wallets) > 1:
        raise CommandError(f"There are several wallets {name}: say which --network.")
    return wallets[0]


def staff_named(username: str) -> User:
    """Somebody who is on the staff. Raises CommandError."""
    person = User.objects.filter(username=username, is_staff=True, is_active=True).first()
    if person is None:
        raise CommandError(f"Nobody on the staff is called {username!r}.")
    return person


def slot_of(text: str) -> int:
    """The slot behind a payout's id, a reference or a hash. Raises CommandError."""
    text = text.strip()
    slot_id = _slot_of_payout(text) or _slot_of_hash(text) or _slot_of_reference(text)
    if slot_id is None:
        raise CommandError(
            f"Nothing is under way that is called {text}. Name a payout (pay_…) that a chain"
            " has, a reference (network:address:nonce) or a hash."
        )
    return slot_id


def _slot_of_payout(text: str) -> int | None:
    payout_id = parse_public_id("pay", text)
    if payout_id is None:
        return None
    attempt = Attempt.objects.filter(
        payout_id=payout_id, rail="evm", state=AttemptState.LIVE
    ).first()
    # The rail's payload is the key of its slot.
    return None if attempt is None else int(bytes(attempt.payload))


def _slot_of_hash(text: str) -> int | None:
    return (
        SignedTransaction.objects.filter(hash=text.lower())
        .values_list("slot_id", flat=True)
        .first()
    )


def _slot_of_reference(text: str) -> int | None:
    parts = text.split(":")
    if len(parts) != REFERENCE_PARTS or not (parts[2].isascii() and parts[2].isdecimal()):
        return None
    network, address, nonce = parts
    return (
        Slot.objects.filter(
            wallet__network=network, wallet__address__iexact=address, nonce=int(nonce)
        )
        .values_list("pk", flat=True)
        .first()
    )
