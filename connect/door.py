"""Connect's words: pending, broadcast, delivered, failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.common.times import format_time
from engine.common.units import format_units, format_usd
from engine.payouts.doors import Door
from engine.payouts.links import tracking_url
from engine.payouts.quotes import PROMISED_AT
from engine.payouts.states import Status
from engine.rails.networks import ASSETS

if TYPE_CHECKING:
    from engine.payouts.models import Payout, Quote


def snapshot(quote: Quote) -> dict[str, Any]:
    """The terms of a quote, as its answer and every later look at its payout show them."""
    scale = ASSETS[quote.asset].scale
    return {
        "quote_id": quote.public_id,
        "user_sends": format_units(quote.units_sent, scale=scale),
        "recipient_gets": format_units(quote.units_received, scale=scale),
        "fee_total_usd": format_usd(quote.fee_usd_micros),
        "route": {
            "from_network": quote.from_network,
            "to_network": quote.to_network,
            "estimated_seconds": quote.estimated_seconds,
        },
    }


def accept(payout: Payout) -> dict[str, Any]:
    """The answer to an execute. `promised_at` is filled in when it happens."""
    return {
        "id": payout.public_id,
        "status": CONNECT.word(Status.PENDING),
        "quote": snapshot(payout.quote),
        "estimated_delivery_at": PROMISED_AT,
        "tracking_url": tracking_url(payout.id),
    }


def describe(payout: Payout) -> dict[str, Any]:
    """A payout as Connect's clients see it, in responses and in webhooks alike."""
    return accept(payout) | {
        "status": CONNECT.word(payout.status),
        "estimated_delivery_at": format_time(payout.estimated_delivery_at),
    }


CONNECT = Door(
    name="connect",
    words={
        Status.PENDING: "pending",
        Status.SENDING: "pending",
        Status.BROADCAST: "broadcast",
        Status.DELIVERED: "delivered",
        Status.FAILED: "failed",
        Status.CANCELLED: "failed",
    },
    edges={
        "pending": frozenset({"broadcast", "failed"}),
        "broadcast": frozenset({"delivered", "failed"}),
        "delivered": frozenset(),
        "failed": frozenset(),
    },
    accept=accept,
    describe=describe,
)
