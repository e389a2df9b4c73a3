"""A word of those above that stops signing: rails know nothing of freezes.

Whoever may stop a network registers here what it forbids, and is asked in the database
transaction that stores a signature, and once more before it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    # The networks on which nothing is signed just now; '' stands for all of them. It is
    # called in a database transaction, and what it says must hold until that ends.
    Guard = Callable[[], Collection[str]]

EVERYWHERE = ""
_guards: dict[str, Guard] = {}


def set_guard(name: str, guard: Guard) -> None:
    """Ask this one, too, from now on. The same name again replaces the former."""
    _guards[name] = guard


def stopped_networks() -> frozenset[str]:
    """All that is forbidden, for the rest of the caller's database transaction."""
    return frozenset(network for guard in _guards.values() for network in guard())


def is_stopped(network: str) -> bool:
    """Whether anybody forbids it now. In a transaction of its own: it may be over at once."""
    with transaction.atomic(durable=True):
        return bool({EVERYWHERE, network} & stopped_networks())
