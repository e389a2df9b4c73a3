"""The door's way in for callbacks: light, so that the web process may load it."""

from __future__ import annotations

from uuid import UUID

from engine.rails.momo import sends


def hint(token: str, reference: str) -> bool:
    """An operator called back about `reference` on the secret path: look at it next.

    Returns whether that was news. Nothing the callback says is read, so that a forged one
    can do no more than make us ask the operator, at the pace at which we ask anyway.
    """
    try:
        key = UUID(reference)
    except ValueError:
        return False
    return sends.hint(token=token, reference=key)
