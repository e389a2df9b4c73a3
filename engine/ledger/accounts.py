"""What the accounts are called, and what kind of account each is.

A code says whose pot it is and on which network; the asset and the mode are columns of
their own. The first word decides the kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(TypedDict):
    """Passed on to `services.open_account` as ``**kind_of(code)``."""

    may_go_negative: bool
    is_hot: bool


_CUSTOMER: Kind = {"may_go_negative": False, "is_hot": False}
# The other side of what customers hold: all that lies on a network, below zero.
_HOUSE: Kind = {"may_go_negative": True, "is_hot": True}

KINDS: Mapping[str, Kind] = {
    "user": _CUSTOMER,
    "partner": _CUSTOMER,
    "payment": _CUSTOMER,
    "custody": _HOUSE,
    "in_transit": _HOUSE,
    "network_cost": _HOUSE,
    "fx": _HOUSE,
    "fees": {"may_go_negative": False, "is_hot": True},
}


def kind_of(code: str) -> Kind:
    """The kind of the account called `code`. KeyError for a code of no known kind."""
    return KINDS[code.partition(":")[0]]


def end_user_available(end_user_id: int, network: str) -> str:
    """What an end user may spend."""
    return f"user:{end_user_id}:{network}:available"


def end_user_held(end_user_id: int, network: str) -> str:
    """What an end user's payouts on their way have set aside."""
    return f"user:{end_user_id}:{network}:held"


def partner_available(partner_hex: str, network: str) -> str:
    """A partner's float on a network or at a provider."""
    return f"partner:{partner_hex}:{network}:available"


def partner_held(partner_hex: str, network: str) -> str:
    """What payouts on their way have set aside of a partner's float."""
    return f"partner:{partner_hex}:{network}:held"


def payment_available(payment_hex: str) -> str:
    """What a payment has set aside for its recipient, who may still choose how to be paid."""
    return f"payment:{payment_hex}:available"


def payment_held(payment_hex: str) -> str:
    """What the payout of a payment on its way has set aside."""
    return f"payment:{payment_hex}:held"


def fx() -> str:
    """The other side of what was changed from one asset into another."""
    return "fx"


def custody(network: str) -> str:
    """What the house keeps on a network. Debited by what comes in."""
    return f"custody:{network}"


def in_transit() -> str:
    """What a bridge has taken and not yet delivered."""
    return "in_transit"


def network_cost() -> str:
    """What networks charged the house, gas of failed sends included."""
    return "network_cost"


def fees() -> str:
    """What the house earned."""
    return "fees"
