"""What a rail's outside can be asked about us as a whole, beyond one send at a time.

A restored database has forgotten sends. The journal names them; a statement brings the
rail's own rows back and says what else went out. A rail has one under `statement`; a rail
without one keeps nothing of its own, and its outside knows a send by its reference alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from engine.rails.base import rail_named

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from engine.rails.base import Prepared


class CannotRecall(Exception):
    """A send that was made cannot be written into the rail's rows. Its text says why."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something outside that our rows do not explain. `what` names it, always the same."""

    kind: str
    what: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """What lies outside of one asset on one network, in units, as deep as it is final."""

    network: str
    asset: str
    units: int


class Statement(Protocol):
    """Three questions before the books are believed again."""

    def terms_of(self, batch: Sequence[Prepared]) -> list[dict[str, Any]]:
        """What `recall` will need of each, as JSON: no key and no signed bytes."""

    def recall(self, *, network: str, reference: str, terms: dict[str, Any]) -> bytes:
        """Write the rail's own rows of a send again, in the caller's database transaction.

        Returns the payload of its attempt. Writing the same again changes nothing.
        Raises CannotRecall.
        """

    def ahead_of_us(self) -> str:
        """What the outside has had of us that we do not know of, in a sentence; or nothing.

        A quick look, for whoever is about to send. Raises RailUnavailable.
        """

    def recover(self, *, explained: Collection[str]) -> list[Difference]:
        """Ask the outside what we sent, and write it to what was recalled. No transaction.

        Returns what nobody recalled; a person has `explained` those of these names.
        Raises RailUnavailable.
        """

    def delivered(self, batch: Sequence[Prepared]) -> list[bool]:
        """Whether the outside shows that each of these, all final, has arrived.

        Raises RailUnavailable.
        """

    def held(self) -> list[Held]:
        """What lies in our hands outside, as deep as it is final. Raises RailUnavailable."""


def statement_of(rail: str) -> Statement | None:
    """The statement of the rail of that name, if it has one."""
    found: Statement | None = getattr(rail_named(rail), "statement", None)
    return found
