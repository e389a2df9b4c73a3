"""Bringing the house's own crossings back after a restore: the promise is the whole send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from engine.rails.explorers import HOUSE
from engine.rails.models import HotWallet, HouseCrossing, WalletPurpose
from engine.rails.statements import CannotRecall

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from engine.rails.base import Prepared
    from engine.rails.statements import Difference, Held


class HouseStatement:
    """Nothing outside knows of a crossing, so nothing outside is asked."""

    def terms_of(self, batch: Sequence[Prepared]) -> list[dict[str, Any]]:
        """What was promised, and which wallet's tokens: by address, as ids may differ."""
        rows = {row.reference: row for row in _rows(batch)}
        return [_terms(rows[one.reference]) for one in batch]

    def recall(self, *, network: str, reference: str, terms: dict[str, Any]) -> bytes:
        """Promise it again under the same reference. Raises CannotRecall.

        Only what prepare would have written: a crossing of this payout out of `network`.
        """
        if (
            reference.rpartition(":")[0] != f"{HOUSE}:{terms['payout']}"
            or terms["from_network"] != network
            or network == terms["to_network"]
            or int(terms["units"]) <= 0
        ):
            raise CannotRecall(f"{reference} is no crossing as we promise them.")
        wallet = HotWallet.objects.filter(
            network=terms["to_network"],
            address=terms["wallet"],
            purpose=WalletPurpose.PAYOUTS,
        ).first()
        if wallet is None:
            raise CannotRecall(f"There is no wallet {terms['wallet']}.")
        crossing, _ = HouseCrossing.objects.get_or_create(
            reference=reference,
            defaults={
                "payout_id": UUID(terms["payout"]),
                "asset": terms["asset"],
                "from_network": terms["from_network"],
                "to_network": terms["to_network"],
                "units": int(terms["units"]),
                "wallet": wallet,
            },
        )
        if _terms(crossing) != terms:
            raise CannotRecall(f"{reference} promises something else here.")
        return reference.encode()

    def ahead_of_us(self) -> str:
        """Nothing outside knows of it."""
        return ""

    def recover(self, *, explained: Collection[str]) -> list[Difference]:
        """Nothing of it went out."""
        del explained
        return []

    def delivered(self, batch: Sequence[Prepared]) -> list[bool]:
        """A promise that stands is all that the first leg was to bring."""
        standing = {row.reference for row in _rows(batch)}
        return [one.reference in standing for one in batch]

    def held(self) -> list[Held]:
        """What lies in the wallets is told by the rail that pays from them."""
        return []


def _rows(batch: Sequence[Prepared]) -> list[HouseCrossing]:
    return list(
        HouseCrossing.objects.filter(
            reference__in=[one.reference for one in batch]
        ).select_related("wallet")
    )


def _terms(row: HouseCrossing) -> dict[str, Any]:
    return {
        "payout": row.payout_id.hex,
        "asset": row.asset,
        "from_network": row.from_network,
        "to_network": row.to_network,
        # JSON readers elsewhere lose whole numbers beyond 2**53.
        "units": str(row.units),
        "wallet": row.wallet.address,
    }
