"""What the books refuse, by the name of the constraint that refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.common.errors import Unprocessable, ZopayError

if TYPE_CHECKING:
    from django.db import Error


class InsufficientFunds(Unprocessable):
    """The debited account cannot cover the amount. Nothing moved."""

    code = "insufficient_funds"
    title = "Not enough funds"

    def __init__(
        self,
        message: str = "The account does not hold enough to cover this.",
        **details: Any,
    ) -> None:
        super().__init__(message, **details)


class AlreadyMoved(ZopayError):
    """The reference names a movement that exists. Nothing moved this time.

    Never shown to a client: whether something was done before is for the caller to know
    from its own state, and this error says that the caller did not.
    """

    code = "already_moved"

    def __init__(self) -> None:
        super().__init__("A movement of this reference exists already.")


REFUSALS: dict[str, type[InsufficientFunds | AlreadyMoved]] = {
    "account_is_not_overdrawn": InsufficientFunds,
    "movement_reference_is_unique": AlreadyMoved,
}


def refusal_of(error: Error) -> InsufficientFunds | AlreadyMoved | None:
    """The refusal behind a database error, also one from a function that called ours.

    None when the error is of another kind. The database transaction is aborted either
    way: let the refusal leave the atomic block, or have a savepoint.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    refusal = REFUSALS.get(getattr(diagnosis, "constraint_name", None) or "")
    return refusal() if refusal else None
