"""What Connect answers about everything but a payout (which is door.describe's).

Optional members are absent where they do not apply; nothing is null but `cursor` on the
last page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.door import describe_failure, snapshot
from connect.words import activity_word
from engine.common.times import format_time
from engine.common.units import format_units, format_usd
from engine.rails.explorers import HOUSE, explorer_url
from engine.rails.networks import ASSETS, NETWORKS
from engine.rails.scales import scale_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from engine.payouts.models import Quote
    from engine.payouts.pricing import PriceBook
    from engine.payouts.reads import ActivityRow, BalanceRow
    from engine.payouts.routing import Recommendation, Route
    from engine.rails.models import DepositAddress

USD_MICROS_IN_A_CENT = 10_000
CENTS_IN_A_DOLLAR = 100
# How the references begin that no network has heard of: of deposits made by hand, and of
# a bridge's first leg by the house's own liquidity.
SANDBOX_REFERENCE = "sandbox"
MADE_BY_US = frozenset({SANDBOX_REFERENCE, "credit", "demo", HOUSE})


def quote_answer(quote: Quote, route: Route) -> dict[str, Any]:
    """A quote, in the order in which the API's first documents show its members."""
    terms = snapshot(quote)
    answer = {
        "quote_id": terms.pop("quote_id"),
        "expires_at": format_time(quote.expires_at),
        **terms,
    }
    if route.recommendation is not None:
        answer["recommendation"] = _recommendation(route.recommendation)
    if route.shortfall is not None:
        scale = ASSETS[quote.asset].scale
        answer["insufficient_funds"] = {
            "needed": format_units(route.shortfall.units_needed, scale=scale),
            "asset": quote.asset,
            "network_with_lowest_top_up_fee": route.shortfall.top_up_network,
        }
    return answer


def _recommendation(advice: Recommendation) -> dict[str, Any]:
    # Rounded down: nobody may save less than the sentence says.
    cents = advice.savings_usd_micros // USD_MICROS_IN_A_CENT
    dollars = f"${cents // CENTS_IN_A_DOLLAR:,}.{cents % CENTS_IN_A_DOLLAR:02d}"
    way = "funding from" if advice.is_source else "receiving on"
    return {
        "message": f"You could save {dollars} by {way} {NETWORKS[advice.network].name}.",
        "alternative_route": {
            "network": advice.network,
            "fee_total_usd": format_usd(advice.fee_usd_micros),
            "savings_usd": format_usd(advice.savings_usd_micros),
        },
    }


def address_answer(address: DepositAddress) -> dict[str, Any]:
    """A deposit address; its end user is read, so load it with the row."""
    answer: dict[str, Any] = {
        "id": address.public_id,
        "address": address.address,
        "asset": address.asset,
        "network": address.network,
    }
    if address.end_user is not None:
        answer["external_ref"] = address.end_user.external_ref
    if address.label:
        answer["label"] = address.label
    answer["created_at"] = format_time(address.created_at)
    return answer


def balances_answer(
    rows: Iterable[BalanceRow], book: PriceBook, *, at: datetime, external_ref: str | None
) -> dict[str, Any]:
    """What may be spent, line by line, and its worth in dollars, rounded down.

    A line without a price has no `amount_usd`, and then there is no total either.
    """
    lines, worths = [], []
    for row in rows:
        scale = scale_of(row.asset)
        line = {
            "asset": row.asset,
            "network": row.network,
            "amount": format_units(row.units, scale=scale),
        }
        if row.units_held:
            line["held"] = format_units(row.units_held, scale=scale)
        price = book.assets.get(row.asset)
        worth = None if price is None else row.units * price // 10**scale
        worths.append(worth)
        if worth is not None:
            line["amount_usd"] = format_usd(worth)
        lines.append(line)
    priced = [worth for worth in worths if worth is not None]
    answer: dict[str, Any] = {} if external_ref is None else {"external_ref": external_ref}
    return answer | {
        "valued_at": format_time(at),
        "balances": lines,
        "totals": {"usd": format_usd(sum(priced))} if len(priced) == len(worths) else {},
    }


def transaction_answer(row: ActivityRow) -> dict[str, Any]:
    """A deposit or a payout as a line of the list that holds both."""
    answer: dict[str, Any] = {
        "id": row.public_id,
        "type": row.kind,
        "status": activity_word(row.kind, row.status),
        "external_ref": row.external_ref,
        "asset": row.asset,
        "network": row.network,
        "amount": format_units(row.units, scale=ASSETS[row.asset].scale),
        "created_at": format_time(row.created_at),
    }
    if row.ended_at is not None:
        answer["ended_at"] = format_time(row.ended_at)
    if row.kind == "payout":
        answer["to_network"] = row.to_network
        answer["destination"] = row.destination
    # A deposit's reference goes on, after a colon, to say which transfer of the hash.
    tx_hash = row.reference.partition(":")[0]
    if tx_hash and tx_hash not in MADE_BY_US:
        answer["tx_hash"] = tx_hash
        answer["explorer_url"] = explorer_url(
            rail=row.rail, network=row.seen_on, reference=tx_hash
        )
    if row.failure_code:
        answer["failure"] = describe_failure(row.failure_code)
    return answer


def networks_answer(book: PriceBook) -> dict[str, Any]:
    """Every asset and network there is, with what a transfer costs now where it may go."""
    networks = []
    for network in NETWORKS.values():
        hop = book.networks.get(network.code)
        line: dict[str, Any] = {
            "network": network.code,
            "name": network.name,
            "assets": [
                asset.code for asset in ASSETS.values() if network.code in asset.networks
            ],
            "enabled": hop is not None,
        }
        if hop is not None:
            line["transfer_fee_usd"] = format_usd(hop.fixed_usd_micros)
            line["seconds"] = hop.seconds
            line["as_of"] = format_time(hop.as_of)
        networks.append(line)
    return {
        "assets": [
            {
                "asset": asset.code,
                "name": asset.name,
                "scale": asset.scale,
                "natural_network": asset.natural_network,
                "networks": list(asset.networks),
            }
            for asset in ASSETS.values()
        ],
        "networks": networks,
    }
