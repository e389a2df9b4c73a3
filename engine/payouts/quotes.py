"""Price promises: made here, kept by services.execute_quote."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from django.conf import settings
from django.db import IntegrityError, transaction

from engine.common.errors import AmountInvalid
from engine.common.ids import new_id, parse_public_id
from engine.common.secrets import is_signed, sign
from engine.common.units import format_units, format_usd
from engine.payouts.doors import door_named
from engine.payouts.errors import AmountTooSmall, ExternalRefUnknown, RouteUnavailable
from engine.payouts.funds import open_holding, read_purse
from engine.payouts.models import Payout, Quote
from engine.payouts.models.payouts import Terms
from engine.payouts.pricing import price_book_with
from engine.payouts.rail_choice import can_pay
from engine.payouts.routing import Route, Wish, find_route

if TYPE_CHECKING:
    from engine.payouts.funds import Purse
    from engine.payouts.pricing import Cost, PriceBook
    from engine.rails.networks import Asset

# What a bigint holds: nine million million dollars.
USD_MICROS_MAX = 2**63 - 1
# Each round is a hundredth of the last one or less; a fee of all of the amount never ends.
LEAST_UNITS_ROUNDS = 20
PUBLIC_ID_LENGTH = 78
SIGNATURE_LENGTH = 43
# Stands in the stored answer for the one moment that is known only when the quote is
# executed; payouts_answer() in sql/execute.sql puts it in.
PROMISED_AT = "{promised_at}"

# What a signature covers: every term, in this order.
SIGNED_TERMS = (
    "id",
    "partner_id",
    "livemode",
    "end_user_id",
    "door",
    "asset",
    "from_network",
    "to_network",
    "destination",
    "units_sent",
    "units_received",
    "units_fee",
    "network_fee_usd_micros",
    "provider_fee_usd_micros",
    "zopay_fee_usd_micros",
    "estimated_seconds",
    "payout_id",
)


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """What a door asks the engine for, after its own validation.

    `destination` is canonical, `reachable` the networks on which it is valid, `digest`
    the SHA-256 of the request: in test mode the quote's id is derived from it.
    """

    partner_id: UUID
    livemode: bool
    fee_schedule_id: int
    door: str
    external_ref: str
    asset: Asset
    units: int
    destination: str
    to_network: str
    reachable: tuple[str, ...]
    digest: bytes


def make_quote(request: QuoteRequest) -> tuple[Quote, Route]:
    """Price the request and promise the price for QUOTE_TTL_SECONDS.

    Raises ExternalRefUnknown, RouteUnavailable, AmountInvalid and AmountTooSmall. A user
    who holds too little gets a quote all the same; the route's `shortfall` says what is
    missing.
    """
    if not can_pay(request.to_network, livemode=request.livemode):
        raise RouteUnavailable(f"Nothing of ours reaches {request.to_network} right now.")
    # One book for the whole quote: its parts must come from the same moment.
    book = price_book_with(schedule=request.fee_schedule_id)
    if book.worth(asset=request.asset.code, units=request.units) > USD_MICROS_MAX:
        raise AmountInvalid("The amount is larger than anything we could send.")
    purse = read_purse(
        partner_id=request.partner_id,
        livemode=request.livemode,
        external_ref=request.external_ref,
        asset=request.asset.code,
    )
    if purse is None:
        raise ExternalRefUnknown
    wish = Wish(
        asset=request.asset.code,
        units=request.units,
        to_network=request.to_network,
        reachable=request.reachable,
        held={network: held.units for network, held in purse.held.items()},
        schedule=request.fee_schedule_id,
    )
    route = find_route(wish, book)
    quote = _draft(request, route, purse, book)
    if request.livemode:
        quote.save(force_insert=True)
        return quote, route
    return _save_test_quote(quote), route


def _draft(request: QuoteRequest, route: Route, purse: Purse, book: PriceBook) -> Quote:
    cost, asset = route.cost, request.asset
    fee = book.units_for(asset=asset.code, usd_micros=cost.total_usd_micros)
    if fee >= request.units:
        raise _too_small(request, cost, book)
    available_id, held_id = _accounts(request, purse, cost.from_network)
    quote_id, payout_id = _ids(request)
    quote = Quote(
        id=quote_id,
        payout_id=payout_id,
        partner_id=request.partner_id,
        livemode=request.livemode,
        end_user_id=purse.end_user_id,
        door=request.door,
        asset=asset.code,
        from_network=cost.from_network,
        to_network=cost.to_network,
        destination=request.destination,
        units_sent=request.units,
        units_received=request.units - fee,
        units_fee=fee,
        units_gateway_fee=0,
        sent_usd_micros=book.worth(asset=asset.code, units=request.units),
        network_fee_usd_micros=cost.network_usd_micros,
        provider_fee_usd_micros=cost.provider_usd_micros,
        zopay_fee_usd_micros=cost.zopay_usd_micros,
        estimated_seconds=cost.seconds,
        available_account_id=available_id,
        held_account_id=held_id,
        # The database's clock says when it has expired, so its clock says when it began.
        created_at=purse.read_at,
        expires_at=purse.read_at + timedelta(seconds=settings.QUOTE_TTL_SECONDS),
    )
    quote.signature = sign_quote(quote)
    quote.answer = answer_to_come(quote)
    return quote


def _too_small(request: QuoteRequest, cost: Cost, book: PriceBook) -> AmountTooSmall:
    asset, fee_usd = request.asset, format_usd(cost.total_usd_micros)
    least = format_units(_least_units(request, cost, book), scale=asset.scale)
    return AmountTooSmall(
        f"The fee of this route is {fee_usd} USD; send at least {least} {asset.code}.",
        fee_total_usd=fee_usd,
        amount_min=least,
    )


def _least_units(request: QuoteRequest, cost: Cost, book: PriceBook) -> int:
    """The least that covers its own fee on this route; more of it costs more."""
    asset, units = request.asset, request.units
    for _ in range(LEAST_UNITS_ROUNDS):
        dearer = book.cost(
            asset=asset.code,
            units=units,
            from_network=cost.from_network,
            to_network=cost.to_network,
            schedule=request.fee_schedule_id,
        )
        usd_micros = (dearer or cost).total_usd_micros
        fee = book.units_for(asset=asset.code, usd_micros=usd_micros)
        if fee < units:
            break
        units = fee + 1
    return units


def _accounts(request: QuoteRequest, purse: Purse, network: str) -> tuple[int, int]:
    """The user's accounts on the source, opened for somebody who never held funds there."""
    held = purse.held.get(network)
    if held is not None:
        return held.available_account_id, held.held_account_id
    return open_holding(
        end_user_id=purse.end_user_id,
        livemode=request.livemode,
        asset=request.asset.code,
        network=network,
    )


def _ids(request: QuoteRequest) -> tuple[UUID, UUID]:
    """The quote's key and, already, its payout's.

    Live ones are new and in time order. Test ones follow from the partner and the
    request, so that a partner's own tests see the same ids every time.
    """
    if request.livemode:
        return new_id(), new_id()
    seed = request.partner_id.bytes + request.digest
    quote_id = UUID(bytes=sign("test quote", seed)[:16])
    return quote_id, UUID(bytes=sign("test payout", quote_id.bytes)[:16])


def sign_quote(quote: Quote) -> str:
    """Sign every locked term; 43 characters of base64url.

    A test quote's signature covers what names the request alone, since its terms may be
    refreshed until it is executed while its id must stay.
    """
    return urlsafe_b64encode(sign("quote", _signed_terms(quote))).decode().rstrip("=")


def is_signed_quote(quote: Quote) -> bool:
    """Whether its signature is ours, under any of SIGNING_KEYS, and for its terms."""
    try:
        signature = urlsafe_b64decode(f"{quote.signature}=")
    except ValueError:
        return False
    return is_signed("quote", _signed_terms(quote), signature)


def _signed_terms(quote: Quote) -> bytes:
    names = SIGNED_TERMS if quote.livemode else ("id", "partner_id", "payout_id")
    return orjson.dumps([str(getattr(quote, name)) for name in names])


def parse_quote_id(text: str) -> tuple[UUID, str] | None:
    """Split a public quote_id into key and signature; None when it cannot be ours."""
    if len(text) != PUBLIC_ID_LENGTH or not text.isascii():
        return None
    key = parse_public_id("qt", text[:-SIGNATURE_LENGTH])
    return None if key is None else (key, text[-SIGNATURE_LENGTH:])


def answer_to_come(quote: Quote) -> str:
    """The door's answer to the execute, written while every term is at hand."""
    payout = Payout(
        id=quote.payout_id,
        quote=quote,
        **{field.attname: getattr(quote, field.attname) for field in Terms._meta.fields},
    )
    answer = door_named(quote.door).accept(payout)
    return orjson.dumps(answer).decode()


def _save_test_quote(quote: Quote) -> Quote:
    """Insert, or refresh the same one; once executed it stands as it was executed."""
    names = [field.name for field in Quote._meta.concrete_fields if not field.primary_key]
    try:
        # A savepoint, since the trigger refuses to refresh what was executed.
        with transaction.atomic():
            Quote.objects.bulk_create(
                [quote],
                update_conflicts=True,
                unique_fields=["id"],
                update_fields=[name for name in names if name != "used_at"],
            )
    except IntegrityError:
        executed = Quote.objects.get(pk=quote.pk)
        # It may be executed again and again, so it never looks expired.
        executed.expires_at = quote.expires_at
        return executed
    return quote
