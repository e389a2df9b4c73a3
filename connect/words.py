"""The words Connect's lists filter by, and the engine's states behind each."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from connect.door import CONNECT
from engine.payouts.models import Deposit
from engine.payouts.states import GIVEN_UP, IN_FLIGHT, Status
from engine.webhooks.services import TEST_TYPE

if TYPE_CHECKING:
    from collections.abc import Collection

PAYOUT_WORDS = tuple(dict.fromkeys(CONNECT.words.values()))
# Every word but the first is news.
EVENT_TYPES = tuple(f"payout.{word}" for word in PAYOUT_WORDS[1:])
ALL_EVENT_TYPES = (*EVENT_TYPES, TEST_TYPE)
TRANSACTION_TYPES = ("deposit", "payout")
# A payout among deposits is on its way, has arrived or has not, and no more is said.
_PAYOUT_STATES = MappingProxyType(
    {
        "pending": IN_FLIGHT,
        "confirmed": frozenset({Status.DELIVERED}),
        "failed": GIVEN_UP,
    }
)
TRANSACTION_WORDS = tuple(_PAYOUT_STATES)
_WORD_OF_STATE = {state: word for word, states in _PAYOUT_STATES.items() for state in states}


def payout_states(word: str) -> list[str]:
    """The engine's states that Connect calls `word`."""
    return [state.value for state, said in CONNECT.words.items() if said == word]


def activity_states(
    *, types: Collection[str], words: Collection[str]
) -> tuple[list[str], list[str]]:
    """The states of deposits and of payouts that a list of transactions shall have."""
    deposits = [status.value for status in Deposit.Status if status.value in words]
    payouts = [state.value for state, word in _WORD_OF_STATE.items() if word in words]
    return (
        deposits if "deposit" in types else [],
        payouts if "payout" in types else [],
    )


def activity_word(kind: str, status: str) -> str:
    """What a list of transactions calls the engine's `status`."""
    return status if kind == "deposit" else _WORD_OF_STATE[Status(status)]
