"""What an outside bridge would have to be, and what the words of one, LI.FI, mean to us.

No route uses an outside bridge yet: `BridgeProvider` is the interface for the first one.
What stands is the table. A provider's word is never proof that money came back, so no
word of it releases a hold: what was refunded, or never left, is proven by a receipt that
is final on the source chain. Whatever the table does not list needs a person.

The words: LI.FI's "Transaction Status" guide (docs.li.fi, status-tracking) and the unions
of `@lifi/types` 17, which do not list the same ones; older versions had
NOT_PROCESSABLE_REFUND_NEEDED under PENDING. REFUNDED and PARTIAL come under DONE.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from engine.rails.base import Outcome, Sighting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Proof(Enum):
    """What only the source chain can show, as deep as its policy asks."""

    NONE = "none"
    REFUNDED = "refunded"  # A receipt that brought the money back to our wallet.
    REVERTED = "reverted"  # Our own send failed there: nothing ever left.


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pair of words means. `dead_if` is the proof that would make it dead, if any.

    `needs_person`: waiting will not help, unless that proof is found.
    """

    outcome: Outcome
    needs_person: bool = False
    dead_if: Proof = Proof.NONE


@dataclass(frozen=True, slots=True)
class BridgeAsk:
    """`units` of `asset` shall arrive at `destination`; `sender` is the wallet that pays."""

    asset: str
    from_network: str
    to_network: str
    units: int
    sender: str
    destination: str


@dataclass(frozen=True, slots=True)
class BridgeQuote:
    """A provider's offer: it takes `units_sent`, and `units_min` arrive at the least.

    `tool` is the bridge behind it, as the provider names it.
    """

    ask: BridgeAsk
    tool: str
    units_sent: int
    units_min: int
    seconds: int
    fee_usd_micros: int


@dataclass(frozen=True, slots=True)
class BridgeSend:
    """What a slot of the sender would hold; `approve` is who must be allowed to take it."""

    to_address: str
    value_wei: int
    calldata: bytes
    gas_limit: int
    approve: str


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """What a provider says of one send, by the hash of its source transaction.

    `receiving_*` are what it says has arrived, "" and 0 where it does not say.
    """

    status: str
    substatus: str
    receiving_asset: str = ""
    receiving_units: int = 0
    receiving_address: str = ""


class BridgeProvider(Protocol):
    """Outside any database transaction, all three. Each raises RailUnavailable."""

    name: str

    def quote(self, asks: Sequence[BridgeAsk]) -> list[BridgeQuote | None]:
        """An offer for each; None where there is no way."""

    def build(self, quote: BridgeQuote) -> BridgeSend:
        """What to sign. It is simulated and held against the quote before a nonce is taken."""

    def status(self, hashes: Sequence[str]) -> list[BridgeReport]:
        """What became of each send, by source hash: every hash that the slot ever had."""


WAIT = Verdict(Outcome.UNKNOWN)
UNDER_WAY = Verdict(Outcome.SEEN)
DELIVERED = Verdict(Outcome.FINAL)
REVIEW = Verdict(Outcome.UNKNOWN, needs_person=True)
COMING_BACK = Verdict(Outcome.SEEN, dead_if=Proof.REFUNDED)
CAME_BACK = Verdict(Outcome.UNKNOWN, needs_person=True, dead_if=Proof.REFUNDED)
NEVER_LEFT = Verdict(Outcome.UNKNOWN, needs_person=True, dead_if=Proof.REVERTED)

LIFI: Mapping[tuple[str, str], Verdict] = MappingProxyType(
    {
        ("NOT_FOUND", ""): WAIT,
        # The hash is not of the tool that was asked for: we asked wrongly.
        ("INVALID", ""): REVIEW,
        ("PENDING", ""): UNDER_WAY,
        ("PENDING", "WAIT_SOURCE_CONFIRMATIONS"): UNDER_WAY,
        ("PENDING", "WAIT_DESTINATION_TRANSACTION"): UNDER_WAY,
        ("PENDING", "BRIDGE_NOT_AVAILABLE"): UNDER_WAY,
        ("PENDING", "CHAIN_NOT_AVAILABLE"): UNDER_WAY,
        ("PENDING", "REFUND_IN_PROGRESS"): COMING_BACK,
        ("PENDING", "NOT_PROCESSABLE_REFUND_NEEDED"): CAME_BACK,
        ("PENDING", "UNKNOWN_ERROR"): REVIEW,
        ("DONE", "COMPLETED"): DELIVERED,
        # Something arrived: less, or another token.
        ("DONE", "PARTIAL"): REVIEW,
        ("DONE", "REFUNDED"): CAME_BACK,
        ("DONE", ""): REVIEW,
        ("FAILED", ""): REVIEW,
        ("FAILED", "NOT_PROCESSABLE_REFUND_NEEDED"): CAME_BACK,
        ("FAILED", "REFUNDED"): CAME_BACK,
        ("FAILED", "OUT_OF_GAS"): NEVER_LEFT,
        ("FAILED", "SLIPPAGE_EXCEEDED"): NEVER_LEFT,
        ("FAILED", "INSUFFICIENT_ALLOWANCE"): NEVER_LEFT,
        ("FAILED", "INSUFFICIENT_BALANCE"): NEVER_LEFT,
        ("FAILED", "EXPIRED"): NEVER_LEFT,
        ("FAILED", "UNKNOWN_ERROR"): REVIEW,
        ("FAILED", "UNKNOWN_FAILED_ERROR"): REVIEW,
    }
)


def verdict_of(status: str, substatus: str, *, proof: Proof = Proof.NONE) -> Verdict:
    """What LI.FI's two words mean, beside what the source chain has shown by itself.

    Dead only where the proof is the one that these words call for; FINAL only by
    DONE with COMPLETED. Words that are not in the table, in this very spelling, need a
    person.
    """
    verdict = LIFI.get((status, substatus), REVIEW)
    if proof is not Proof.NONE and proof is verdict.dead_if:
        return Verdict(Outcome.DEAD)
    if proof is not Proof.NONE and verdict.outcome is Outcome.FINAL:
        # The chain says that it came back, the provider that it arrived.
        return REVIEW
    return verdict


def sighting_of(
    report: BridgeReport, quote: BridgeQuote, *, proof: Proof = Proof.NONE
) -> Sighting:
    """A look at one send, in the words that the engine decides by.

    What is said to have arrived must be what was quoted, where it was to go.
    """
    verdict = verdict_of(report.status, report.substatus, proof=proof)
    if verdict.outcome is Outcome.FINAL and not _is_as_quoted(report, quote):
        verdict = REVIEW
    sighting = Sighting(
        verdict.outcome,
        evidence={
            "status": report.status,
            "substatus": report.substatus,
            "tool": quote.tool,
            "proof": proof.value,
        },
        needs_person=verdict.needs_person,
    )
    if verdict.outcome is not Outcome.DEAD:
        return sighting
    return replace(
        sighting,
        failure_code="transfer_reverted",
        failure_message="The bridge did not deliver, and the money is back.",
    )


def _is_as_quoted(report: BridgeReport, quote: BridgeQuote) -> bool:
    return (
        report.receiving_asset == quote.ask.asset
        and report.receiving_units >= quote.units_min
        # EVM addresses differ in case only; those of other chains are compared as they are.
        and _same(report.receiving_address, quote.ask.destination)
    )


def _same(one: str, other: str) -> bool:
    if one.startswith("0x") and other.startswith("0x"):
        return one.lower() == other.lower()
    return one == other
