"""What people do with wallets: thaw one, together; burn a nonce that waits in vain.

Freezing is in wallets.py, since machines do that too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.functions import Now

from engine.rails.models import HotWallet, Slot

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

logger = structlog.get_logger(__name__)

MAY_CHANGE = "rails.change_hotwallet"
# What the history of a wallet says; the first is also what the second person is shown.
ASKED = "Asked to unfreeze."
UNFROZEN = "Unfrozen."


class ActRefused(Exception):
    """It was not done. The message says why, to whoever asked for it."""


def ask_to_unfreeze(wallet_id: int, *, by: User) -> bool:
    """Thaw the wallet if somebody else has asked for it since it was frozen.

    Otherwise it is noted that `by` has. Returns whether the wallet is thawed. Raises
    ActRefused when it is not frozen, or `by` may not.
    """
    with transaction.atomic():
        wallet = _frozen(wallet_id)
        _check_may(by)
        asked = _asked_since(wallet).exclude(user_id=by.pk)
        for other in User.objects.filter(pk__in=asked.values("user_id")):
            if _may(other):
                _thaw(wallet, by=by, second=other)
                return True
        if not _asked_since(wallet).filter(user_id=by.pk).exists():
            _note(wallet, by, ASKED)
        return False


def unfreeze(wallet_id: int, *, by: User, second: User) -> None:
    """Thaw the wallet on the word of two people. Raises ActRefused."""
    with transaction.atomic():
        wallet = _frozen(wallet_id)
        if by.pk == second.pk:
            raise ActRefused("It takes two people, and these are one.")
        _check_may(by)
        _check_may(second)
        _thaw(wallet, by=by, second=second)


def who_asked(wallet: HotWallet) -> list[str]:
    """Whoever has asked to thaw it since it was frozen, by name."""
    if wallet.frozen_at is None:
        return []
    names = _asked_since(wallet).order_by("user__username").values_list("user__username")
    return [name for (name,) in names.distinct()]


def ask_to_cancel(slot_id: int) -> datetime:
    """Let the slot's nonce be burned: its next signature is a send of nothing to ourselves.

    Whatever was signed at it may still be mined first; only the chain decides. Returns
    since when that is asked. Raises ActRefused for a slot that is over, or in a block.
    """
    with transaction.atomic():
        slot = Slot.objects.select_for_update().get(pk=slot_id)
        if slot.closed_at is not None:
            raise ActRefused("It is final already: its nonce is used up.")
        if slot.mined_block is not None:
            raise ActRefused(
                f"It is in block {slot.mined_block} already. Nothing can be signed against"
                " that; wait until it is final."
            )
        if slot.cancel_asked_at is None:
            Slot.objects.filter(pk=slot.pk).update(cancel_asked_at=Now())
            logger.warning(
                "cancel_asked", slot=slot.pk, wallet=slot.wallet_id, nonce=slot.nonce
            )
            slot.refresh_from_db(fields=["cancel_asked_at"])
        asked_at: datetime | None = slot.cancel_asked_at
    if asked_at is None:
        raise AssertionError
    return asked_at


def _frozen(wallet_id: int) -> HotWallet:
    wallet = HotWallet.objects.select_for_update().get(pk=wallet_id)
    if wallet.frozen_at is None:
        raise ActRefused("It is not frozen.")
    return wallet


def _may(user: User) -> bool:
    return user.is_active and user.is_staff and user.has_perm(MAY_CHANGE)


def _check_may(user: User) -> None:
    if not _may(user):
        raise ActRefused(f"{user.get_username()} may not change wallets.")


def _asked_since(wallet: HotWallet) -> QuerySet[LogEntry]:
    return LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(HotWallet),
        object_id=str(wallet.pk),
        change_message=ASKED,
        action_time__gte=wallet.frozen_at,
    )


def _thaw(wallet: HotWallet, *, by: User, second: User) -> None:
    HotWallet.objects.filter(pk=wallet.pk).update(frozen_at=None, frozen_why="")
    for person in (second, by):
        _note(wallet, person, UNFROZEN)
    logger.warning(
        "wallet_unfrozen",
        wallet=wallet.address,
        network=wallet.network,
        was=wallet.frozen_why,
        by=[by.get_username(), second.get_username()],
    )


def _note(wallet: HotWallet, person: User, text: str) -> None:
    LogEntry.objects.create(
        user_id=person.pk,
        content_type=ContentType.objects.get_for_model(HotWallet),
        object_id=str(wallet.pk),
        object_repr=str(wallet)[:200],
        action_flag=CHANGE,
        change_message=text,
    )
