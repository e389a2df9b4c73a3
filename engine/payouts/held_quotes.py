"""Price promises of payouts from money that is set aside already: fees come out of it.

All of the money leaves, and what reaches the recipient is the most that it and its own
fees together allow. Where she is paid in another asset, the money is changed first, all of
it, at a rate that is promised along with the price.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from engine.common.errors import AmountInvalid
from engine.common.ids import new_id
from engine.common.times import now_in_books
from engine.payouts.conversions import draft_conversion, rate_between
from engine.payouts.errors import AmountTooSmall, RouteUnavailable
from engine.payouts.float_quotes import fees_of, gateway_fees
from engine.payouts.models import Quote
from engine.payouts.pricing import price_book_with
from engine.payouts.quotes import USD_MICROS_MAX, answer_to_come, sign_quote
from engine.payouts.rail_choice import can_pay, can_pay_number
from engine.rails.networks import ASSETS
from engine.rails.operators import GATEWAYS

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from engine.payouts.conversions import Rate
    from engine.payouts.models import GatewayFee
    from engine.payouts.pricing import PriceBook


@dataclass(frozen=True, slots=True)
class HeldQuoteRequest:
    """What a door asks for, after its own validation.

    `units` of `currency` lie in `currency_account_id`. What is paid is `asset` on
    `network`, from `available_account_id` over `held_account_id`, both in `asset`; without
    a conversion the first is `currency_account_id` itself. `destination` is canonical,
    `country` a number's (ISO 3166).
    """

    partner_id: UUID
    livemode: bool
    fee_schedule_id: int
    door: str
    currency: str
    units: int
    currency_account_id: int
    asset: str
    network: str
    destination: str
    country: str
    available_account_id: int
    held_account_id: int


@dataclass(frozen=True, slots=True)
class _Price:
    """What of the units sent is not received, and how long it takes.

    `gateway_units` is the operator's part. The three in micro-dollars are of chains.
    """

    fee_units: int
    seconds: int
    gateway_units: int = 0
    network_usd_micros: int = 0
    zopay_usd_micros: int = 0


def make_held_quote(request: HeldQuoteRequest) -> Quote:
    """Price the request and promise price and rate for HELD_QUOTE_TTL_SECONDS.

    Raises RouteUnavailable, AmountTooSmall and AmountInvalid.
    """
    _refuse_unreachable(request)
    now = now_in_books()
    book = price_book_with(schedule=request.fee_schedule_id)
    rate = None
    units = request.units
    if request.asset != request.currency:
        rate = rate_between(request.currency, request.asset, now=now)
        units = rate.change(units)
    price = _price(request, units, book)
    if price.fee_units >= units:
        raise AmountTooSmall("The amount does not cover what sending it costs.")
    quote = _draft(request, units, price, book, now)
    quote.signature = sign_quote(quote)
    quote.answer = answer_to_come(quote)
    with transaction.atomic():
        quote.save(force_insert=True)
        _keep_rate(request, rate, quote)
    return quote


def _keep_rate(request: HeldQuoteRequest, rate: Rate | None, quote: Quote) -> None:
    if rate is not None:
        draft_conversion(
            rate,
            quote,
            from_units=request.units,
            from_account_id=request.currency_account_id,
        ).save(force_insert=True)


def _refuse_unreachable(request: HeldQuoteRequest) -> None:
    """Raises RouteUnavailable unless something of ours pays that there."""
    network, livemode = request.network, request.livemode
    if network in GATEWAYS.values():
        is_reached = can_pay_number(
            network, currency=request.asset, country=request.country, livemode=livemode
        )
    elif request.asset in ASSETS:
        is_carried = network in ASSETS[request.asset].networks
        is_reached = is_carried and can_pay(network, livemode=livemode)
    else:
        is_reached = can_pay(network, livemode=livemode)
    if not is_reached:
        raise RouteUnavailable(f"Nothing of ours pays {request.asset} on {network} right now.")


def _price(request: HeldQuoteRequest, units: int, book: PriceBook) -> _Price:
    """What sending `units` costs. Raises RouteUnavailable and AmountTooSmall."""
    network, asset = request.network, request.asset
    if asset not in ASSETS:
        fee = gateway_fees().get((network, asset))
        if fee is None:
            raise RouteUnavailable(f"{network.upper()} does not pay {asset} right now.")
        received = most_received(fee, units)
        gateway, _ = fees_of(fee, received)
        return _Price(units - received, fee.seconds, gateway_units=gateway)
    # As at every other door: the percentage is of what is sent.
    cost = book.cost(
        asset=asset,
        units=units,
        from_network=network,
        to_network=network,
        schedule=request.fee_schedule_id,
    )
    if cost is None:
        raise RouteUnavailable(f"There is no route to {network} right now.")
    return _Price(
        book.units_for(asset=asset, usd_micros=cost.total_usd_micros),
        cost.seconds,
        network_usd_micros=cost.network_usd_micros,
        zopay_usd_micros=cost.zopay_usd_micros,
    )


def most_received(fee: GatewayFee, units: int) -> int:
    """The most that with its own fees is not more than `units`; 0 when nothing is.

    Both parts are rounded up, so two amounts may cost the same: a search finds the larger.
    """
    least, most = 0, units
    while least < most:
        middle = (least + most + 1) // 2
        if middle + sum(fees_of(fee, middle)) <= units:
            least = middle
        else:
            most = middle - 1
    return least


def _draft(
    request: HeldQuoteRequest, units: int, price: _Price, book: PriceBook, now: datetime
) -> Quote:
    worth = book.worth(asset=request.asset, units=units)
    if worth > USD_MICROS_MAX:
        raise AmountInvalid("The amount is larger than anything we could send.")
    return Quote(
        # New ones in test mode too: what is held can be paid out once.
        id=new_id(),
        payout_id=new_id(),
        partner_id=request.partner_id,
        livemode=request.livemode,
        end_user_id=None,
        door=request.door,
        asset=request.asset,
        from_network=request.network,
        to_network=request.network,
        destination=request.destination,
        units_sent=units,
        units_received=units - price.fee_units,
        units_fee=price.fee_units,
        units_gateway_fee=price.gateway_units,
        sent_usd_micros=worth,
        network_fee_usd_micros=price.network_usd_micros,
        provider_fee_usd_micros=0,
        zopay_fee_usd_micros=price.zopay_usd_micros,
        estimated_seconds=price.seconds,
        available_account_id=request.available_account_id,
        held_account_id=request.held_account_id,
        created_at=now,
        expires_at=now + timedelta(seconds=settings.HELD_QUOTE_TTL_SECONDS),
    )
