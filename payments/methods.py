"""Every way of being paid, for whoever lays them out: the hosted form, and a partner's own.

A method is offered only while it could pay: its price is fresh, and something of ours
reaches what it pays to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext

from payments import bank_transfer, mobile_money, stablecoin
from payments.fields import Choice, DetailsInvalid, Field, Method

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from payments.models import Payment
    from payments.payees import Payee

__all__ = ["Choice", "DetailsInvalid", "Field", "Method", "methods_for", "read_details"]

# In the order in which they are shown.
_METHODS: Mapping[str, ModuleType] = {
    module.CODE: module for module in (mobile_money, bank_transfer, stablecoin)
}


def methods_for(payment: Payment) -> list[Method]:
    """What could pay this payment now, in the reader's language; it may be nothing."""
    offered = (module.offer(payment) for module in _METHODS.values())
    return [method for method in offered if method is not None]


def method_for(payment: Payment, code: str) -> Method | None:
    """The method called `code`, if it could pay this payment now."""
    module = _METHODS.get(code)
    offered: Method | None = None if module is None else module.offer(payment)
    return offered


def read_details(payment: Payment, method_code: str, raw: Mapping[str, str]) -> Payee:
    """Who is to be paid, in the engine's spelling.

    Raises DetailsInvalid with a sentence for each field, under `method` where the method
    itself cannot pay.
    """
    module = _METHODS.get(method_code)
    if module is None or module.offer(payment) is None:
        raise DetailsInvalid(
            {"method": gettext("You cannot be paid this way just now. Choose another way.")}
        )
    payee: Payee = module.read(payment, raw)
    return payee


def written(payee: Payee, method_code: str) -> dict[str, str]:
    """The fields of `method_code` that say the same as `payee`, as people write them."""
    fields: dict[str, str] = _METHODS[method_code].written(payee)
    return fields


def keeper_of(method_code: str, destination: str) -> str:
    """Whom the destination is with, by name, so that a slip is noticed: a bank; or ""."""
    return bank_transfer.bank_of(destination) if method_code == bank_transfer.CODE else ""
