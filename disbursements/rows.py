"""Batches and rows of files, as the engine's float_batches takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disbursements.door import DISBURSEMENTS
from engine.payouts import float_batches
from engine.rails.operators import Msisdn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from disbursements.models import Batch


def terms_of(batch: Batch) -> float_batches.Batch:
    """Whose batch it is, and at which fees."""
    return float_batches.Batch(
        id=batch.pk,
        partner_id=batch.partner_id,
        livemode=batch.livemode,
        door=DISBURSEMENTS.name,
        fees=float_batches.fees_of(batch.fees),
    )


def places_of(rows: Sequence[dict[str, Any]], *, first: int) -> list[float_batches.Row]:
    """Rows of a file, of which the first one is at the place `first`."""
    return [
        float_batches.Row(
            place=place,
            gateway=row["gateway"],
            currency=row["currency"],
            units=row["units"],
            recipient=Msisdn(row["phone"], row["country"]),
        )
        for place, row in enumerate(rows, start=first)
    ]
