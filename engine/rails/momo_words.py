"""How an operator does and what an account holds, in the words of admin pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.common.units import format_units
from engine.rails.models import OperatorHealth
from engine.rails.operators import CURRENCIES

if TYPE_CHECKING:
    from engine.rails.models import MomoAccount


def amount(units: int | None, currency: str) -> str:
    """Units as people read them."""
    if units is None:
        return "not told yet"
    return f"{format_units(units, scale=CURRENCIES[currency])} {currency}"


def health_of(account: MomoAccount) -> OperatorHealth | None:
    """How the account's operator does; None before the first call."""
    return OperatorHealth.objects.filter(
        network=account.network, country=account.country
    ).first()


def success_rate(health: OperatorHealth) -> str:
    """Of the calls since `health.since`, how many went well."""
    if not health.asked:
        return f"no call since {health.since:%H:%M:%S}"
    good = health.asked - health.failed
    return f"{100 * good // health.asked} % of {health.asked} since {health.since:%H:%M:%S}"


def latency(health: OperatorHealth) -> str:
    """How long an answer took, on average over the same calls."""
    if not health.answered:
        return "no answer yet"
    return f"{1000 * health.answer_seconds / health.answered:.0f} ms on average"


def breaker_state(health: OperatorHealth | None) -> str:
    """Whether new payouts go out to this operator, and since when not."""
    if health is None or health.down_at is None or health.try_at is None:
        return "closed: payouts go out"
    return (
        f"open since {health.down_at:%H:%M:%S}: payouts wait as operator_down; a few are"
        f" tried at {health.try_at:%H:%M:%S}"
    )
