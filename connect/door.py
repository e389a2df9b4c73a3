"""Connect's words: pending, broadcast, delivered, failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.common.times import format_time
from engine.common.units import format_units, format_usd
from engine.payouts.doors import Door
from engine.payouts.failures import failure_of
from engine.payouts.links import tracking_url
from engine.payouts.quotes import PROMISED_AT
from engine.payouts.reads import PayoutRow
from engine.payouts.states import GIVEN_UP, Status
from engine.rails.explorers import explorer_url, is_of_the_house
from engine.rails.networks import ASSETS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from engine.payouts.models import Payout, PayoutEvent, Quote
    from engine.payouts.reads import EventRow, QuoteRow


def snapshot(quote: Quote | QuoteRow) -> dict[str, Any]:
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


def accept(payout: Payout | PayoutRow) -> dict[str, Any]:
    """The answer to an execute. `promised_at` is filled in when it happens."""
    return {
        "id": payout.public_id,
        "status": CONNECT.word(Status.PENDING),
        "quote": snapshot(payout.quote),
        "estimated_delivery_at": PROMISED_AT,
        "tracking_url": tracking_url(payout.id),
    }


def describe(payout: Payout | PayoutRow) -> dict[str, Any]:
    """A payout as Connect's clients see it, in responses and in webhooks alike.

    A `Payout` costs no query when its quote and its events were loaded with it.
    """
    events = payout.events if isinstance(payout, PayoutRow) else payout.events.all()
    seen = accept(payout) | {
        "status": CONNECT.word(payout.status),
        "estimated_delivery_at": format_time(payout.estimated_delivery_at),
        "timeline": list(_timeline(events, payout.rail)),
    }
    if payout.status == Status.DELIVERED:
        # What was promised is what was charged and what arrived, to the last unit.
        seen["fees_paid_usd"] = seen["quote"]["fee_total_usd"]
        seen["final_recipient_amount"] = seen["quote"]["recipient_gets"]
    if payout.status in GIVEN_UP:
        seen["failure"] = describe_failure(payout.failure_code)
    return seen


def describe_failure(code: str) -> dict[str, Any]:
    """Why a payout failed, and whether the same one may succeed later."""
    failure = failure_of(code)
    return {
        "code": failure.code,
        "message": failure.message,
        "retryable": failure.is_retryable,
    }


def _timeline(events: Iterable[PayoutEvent | EventRow], rail: str) -> Iterable[dict[str, Any]]:
    """The steps a client can tell apart: a new word, or a new hash under the same one."""
    word = reference = ""
    for event in events:
        is_news = CONNECT.word(event.status) != word or event.reference not in {"", reference}
        word, reference = CONNECT.word(event.status), event.reference or reference
        if not is_news:
            continue
        step: dict[str, Any] = {"status": word, "at": format_time(event.happened_at)}
        if event.network:
            step["network"] = event.network
        # What the house moved by its own liquidity has no hash that anybody could look at.
        if event.reference and not is_of_the_house(event.reference):
            step["tx_hash"] = event.reference
            step["explorer_url"] = explorer_url(
                rail=rail, network=event.network, reference=event.reference
            )
        yield step


def announce(payout: Payout, at: datetime, sequence: int) -> tuple[str, dict[str, Any]]:
    """A webhook's type and body: what GET would show, and when it became true."""
    type_ = f"payout.{CONNECT.word(payout.status)}"
    return type_, {
        "type": type_,
        "timestamp": format_time(at),
        "sequence": sequence,
        "livemode": payout.livemode,
        "data": describe(payout),
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
    announce=announce,
    dialect="standard",
)
