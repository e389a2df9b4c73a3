"""The explorer of the simulated rail: what its outside world knows of one transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext

from engine.common.units import format_units
from engine.rails.models import SimulatedTransfer
from engine.rails.places import mask, place_of, shorten
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from datetime import datetime


def transfer_of(reference: str) -> SimulatedTransfer | None:
    return SimulatedTransfer.objects.filter(reference=reference).first()


def page_of_transfer(transfer: SimulatedTransfer) -> dict[str, Any]:
    """What the page shows; the destination masked, since the link may be anybody's."""
    now = timezone.now()
    return {
        "transfer": transfer,
        "network": place_of(transfer.network).name,
        "short": shorten(transfer.reference),
        "amount": format_units(transfer.units, scale=scale_of(transfer.asset)),
        "destination": mask(transfer.destination, network=transfer.network),
        "state": _state(transfer, now),
        "final_at": _passed(transfer.final_at, now),
    }


def _state(transfer: SimulatedTransfer, now: datetime) -> str:
    if _passed(transfer.fails_at, now):
        return gettext("Failed")
    if _passed(transfer.final_at, now):
        return gettext("Final")
    return gettext("Waiting for confirmations")


def _passed(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment <= now else None
