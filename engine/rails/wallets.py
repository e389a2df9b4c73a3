"""Stopping a wallet. Starting it again is for two people (management/commands)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.db.models.functions import Now

from engine.rails.alarms import tell_operators
from engine.rails.models import HotWallet

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = structlog.get_logger(__name__)


def freeze_wallets(wallet_ids: Iterable[int], *, why: str) -> int:
    """Sign nothing more with these wallets. Returns how many were not frozen yet.

    Whoever is signing holds the row; once this has returned, nothing is signed that it
    should have stopped. What was sent before is watched to its end.
    """
    frozen = HotWallet.objects.filter(id__in=list(wallet_ids), frozen_at__isnull=True).update(
        frozen_at=Now(), frozen_why=why[:200]
    )
    if frozen:
        logger.error("wallets_frozen", wallets=frozen, why=why)
        tell_operators(
            subject=f"Zopay froze {frozen} wallet{'s' if frozen > 1 else ''}",
            text=f"{why}.\n\nNothing more is signed with them until two people have looked"
            " and unfreeze them, in admin under Hot wallets.\n",
        )
    return frozen
