"""Price promises of payouts from a partner's float: the amount arrives, fees come on top."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings

from engine.common.errors import AmountInvalid
from engine.common.ids import new_id
from engine.common.units import divide_up
from engine.payouts.errors import RouteUnavailable
from engine.payouts.floats import read_float
from engine.payouts.models import GatewayFee, Quote
from engine.payouts.pricing import BASIS_POINTS, price_book
from engine.payouts.quotes import USD_MICROS_MAX, answer_to_come, sign_quote
from engine.payouts.rail_choice import can_pay_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from engine.payouts.floats import Float
    from engine.rails.operators import Msisdn


@dataclass(frozen=True, slots=True)
class FloatQuoteRequest:
    """What a door asks for, after its own validation.

    `gateway` is the network's name, such as mtn_momo; `recipient` fits the `currency`.
    """

    partner_id: UUID
    livemode: bool
    door: str
    gateway: str
    currency: str
    units: int
    recipient: Msisdn


def make_float_quote(request: FloatQuoteRequest) -> Quote:
    """Price the request and promise the price for FLOAT_QUOTE_TTL_SECONDS.

    Raises RouteUnavailable and AmountInvalid. A float that is too small gets a quote all
    the same; the execute says what is missing.
    """
    gateway, currency = request.gateway, request.currency
    fee = _fee_of(gateway, currency, gateway_fees())
    country = request.recipient.country
    if not can_pay_number(
        gateway, currency=currency, country=country, livemode=request.livemode
    ):
        raise RouteUnavailable(
            f"{gateway.upper()} does not pay {currency} in {country} right now."
        )
    funds = read_float(
        partner_id=request.partner_id, livemode=request.livemode, currency=currency
    )
    quote = draft_float_quote(request, fee=fee, funds=funds)
    quote.save(force_insert=True)
    return quote


def draft_float_quote(
    request: FloatQuoteRequest,
    *,
    fee: GatewayFee,
    funds: Float,
    ids: tuple[UUID, UUID] | None = None,
) -> Quote:
    """The signed quote, not saved yet. `ids` are its own and its payout's, new by default.

    Raises RouteUnavailable and AmountInvalid.
    """
    quote = _draft(request, fee, funds, ids or (new_id(), new_id()))
    quote.signature = sign_quote(quote)
    quote.answer = answer_to_come(quote)
    return quote


def gateway_fees() -> Mapping[tuple[str, str], GatewayFee]:
    """What each gateway costs in each currency that it pays now."""
    return {
        (fee.gateway, fee.currency): fee for fee in GatewayFee.objects.filter(is_enabled=True)
    }


def total_cost(
    fees: Mapping[tuple[str, str], GatewayFee], *, gateway: str, currency: str, units: int
) -> int:
    """What sending `units` takes from the float, fees included. Raises RouteUnavailable."""
    return units + sum(fees_of(_fee_of(gateway, currency, fees), units))


def _fee_of(
    gateway: str, currency: str, fees: Mapping[tuple[str, str], GatewayFee]
) -> GatewayFee:
    fee = fees.get((gateway, currency))
    if fee is None:
        raise RouteUnavailable(f"{gateway.upper()} does not pay {currency} right now.")
    return fee


def fees_of(fee: GatewayFee, units: int) -> tuple[int, int]:
    """The operator's part, and ours."""
    return (
        fee.gateway_units + divide_up(units * fee.gateway_basis_points, BASIS_POINTS),
        fee.platform_units + divide_up(units * fee.platform_basis_points, BASIS_POINTS),
    )


def _draft(
    request: FloatQuoteRequest, fee: GatewayFee, funds: Float, ids: tuple[UUID, UUID]
) -> Quote:
    gateway, platform = fees_of(fee, request.units)
    sent = request.units + gateway + platform
    quote_id, payout_id = ids
    return Quote(
        id=quote_id,
        payout_id=payout_id,
        partner_id=request.partner_id,
        livemode=request.livemode,
        end_user_id=None,
        door=request.door,
        asset=request.currency,
        from_network=request.gateway,
        to_network=request.gateway,
        destination=request.recipient.e164,
        units_sent=sent,
        units_received=request.units,
        units_fee=gateway + platform,
        units_gateway_fee=gateway,
        sent_usd_micros=_worth(request.currency, sent),
        network_fee_usd_micros=0,
        provider_fee_usd_micros=0,
        zopay_fee_usd_micros=0,
        estimated_seconds=fee.seconds,
        available_account_id=funds.available_account_id,
        held_account_id=funds.held_account_id,
        created_at=funds.read_at,
        expires_at=funds.read_at + timedelta(seconds=settings.FLOAT_QUOTE_TTL_SECONDS),
    )


def _worth(currency: str, units: int) -> int:
    """In micro-dollars, which is what limits are in. Raises RouteUnavailable."""
    worth = price_book().worth(asset=currency, units=units)
    if worth > USD_MICROS_MAX:
        raise AmountInvalid("The amount is larger than anything we could send.")
    return worth
