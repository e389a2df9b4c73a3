"""Every pair of an outside bridge's words has one meaning, and none of them releases money."""

from dataclasses import replace
from itertools import product

import pytest

from engine.payouts.failures import FAILURES
from engine.rails.base import Outcome
from engine.rails.bridge import (
    LIFI,
    BridgeAsk,
    BridgeQuote,
    BridgeReport,
    Proof,
    sighting_of,
    verdict_of,
)
from tests.cast import EVM, EVM_2, USDT

STATUSES = ("NOT_FOUND", "INVALID", "PENDING", "DONE", "FAILED")
# By the guide and by the types, of all versions that we know of.
PUBLISHED = {
    "NOT_FOUND": ("",),
    "INVALID": ("",),
    "PENDING": (
        *("WAIT_SOURCE_CONFIRMATIONS", "WAIT_DESTINATION_TRANSACTION"),
        *("BRIDGE_NOT_AVAILABLE", "CHAIN_NOT_AVAILABLE", "REFUND_IN_PROGRESS"),
        *("UNKNOWN_ERROR", "NOT_PROCESSABLE_REFUND_NEEDED"),
    ),
    "DONE": ("COMPLETED", "PARTIAL", "REFUNDED"),
    "FAILED": (
        *("NOT_PROCESSABLE_REFUND_NEEDED", "OUT_OF_GAS", "SLIPPAGE_EXCEEDED"),
        *("INSUFFICIENT_ALLOWANCE", "INSUFFICIENT_BALANCE", "EXPIRED"),
        *("UNKNOWN_ERROR", "UNKNOWN_FAILED_ERROR", "REFUNDED"),
    ),
}
SUBSTATUSES = sorted({word for words in PUBLISHED.values() for word in words} | {""})
PAIRS = list(product(STATUSES, SUBSTATUSES))
QUOTE = BridgeQuote(
    ask=BridgeAsk("USDT", "polygon", "ethereum", 100 * USDT, EVM_2, EVM),
    tool="across",
    units_sent=101 * USDT,
    units_min=99 * USDT,
    seconds=60,
    fee_usd_micros=1,
)
ARRIVED = BridgeReport("DONE", "COMPLETED", "USDT", 100 * USDT, EVM)


@pytest.mark.parametrize(
    "pair", [(status, word) for status, words in PUBLISHED.items() for word in words]
)
def test_every_published_pair_is_in_the_table(pair):
    assert pair in LIFI


@pytest.mark.parametrize("pair", PAIRS)
def test_every_pair_has_an_answer_and_none_of_them_is_dead(pair):
    verdict = verdict_of(*pair)

    assert verdict.outcome is not Outcome.DEAD
    assert (verdict.outcome is Outcome.FINAL) == (pair == ("DONE", "COMPLETED"))
    if pair not in LIFI:
        assert (verdict.outcome, verdict.needs_person) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    "pair",
    [
        ("COMPLETED", "DONE"),
        ("done", "completed"),
        ("DONE", "COMPLETED "),
        ("DONE", "SETTLED"),
        ("SUCCESS", ""),
        ("", ""),
        ("PENDING", "SOMETHING_NEW"),
    ],
)
def test_words_that_nobody_published_need_a_person(pair):
    verdict = verdict_of(*pair)

    assert (verdict.outcome, verdict.needs_person) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    ("pair", "outcome", "needs_person"),
    [
        (("NOT_FOUND", ""), Outcome.UNKNOWN, False),
        (("INVALID", ""), Outcome.UNKNOWN, True),
        (("PENDING", "WAIT_SOURCE_CONFIRMATIONS"), Outcome.SEEN, False),
        (("PENDING", "REFUND_IN_PROGRESS"), Outcome.SEEN, False),
        (("PENDING", "UNKNOWN_ERROR"), Outcome.UNKNOWN, True),
        (("DONE", "COMPLETED"), Outcome.FINAL, False),
        (("DONE", "PARTIAL"), Outcome.UNKNOWN, True),
        (("DONE", "REFUNDED"), Outcome.UNKNOWN, True),
        (("DONE", ""), Outcome.UNKNOWN, True),
        (("FAILED", "OUT_OF_GAS"), Outcome.UNKNOWN, True),
        (("FAILED", "REFUNDED"), Outcome.UNKNOWN, True),
    ],
)
def test_what_the_words_mean(pair, outcome, needs_person):
    verdict = verdict_of(*pair)

    assert (verdict.outcome, verdict.needs_person) == (outcome, needs_person)


REFUNDS = {
    ("PENDING", "REFUND_IN_PROGRESS"),
    ("PENDING", "NOT_PROCESSABLE_REFUND_NEEDED"),
    ("DONE", "REFUNDED"),
    ("FAILED", "REFUNDED"),
    ("FAILED", "NOT_PROCESSABLE_REFUND_NEEDED"),
}
REVERTS = {
    ("FAILED", word)
    for word in (
        *("OUT_OF_GAS", "SLIPPAGE_EXCEEDED", "INSUFFICIENT_ALLOWANCE"),
        *("INSUFFICIENT_BALANCE", "EXPIRED"),
    )
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(
    ("proof", "dead"), [(Proof.REFUNDED, REFUNDS), (Proof.REVERTED, REVERTS)]
)
def test_dead_takes_the_words_and_their_own_proof(pair, proof, dead):
    assert (verdict_of(*pair, proof=proof).outcome is Outcome.DEAD) == (pair in dead)


@pytest.mark.parametrize("proof", [Proof.REFUNDED, Proof.REVERTED])
def test_a_chain_that_contradicts_the_provider_needs_a_person(proof):
    sighting = sighting_of(ARRIVED, QUOTE, proof=proof)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)


def test_what_arrived_as_quoted_is_delivered():
    sighting = sighting_of(ARRIVED, QUOTE)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.FINAL, False)
    assert sighting.evidence == {
        "status": "DONE",
        "substatus": "COMPLETED",
        "tool": "across",
        "proof": "none",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"receiving_asset": "XAUT"},
        {"receiving_asset": ""},
        {"receiving_units": 99 * USDT - 1},
        {"receiving_address": EVM_2},
        {"receiving_address": ""},
    ],
)
def test_what_arrived_otherwise_needs_a_person(change):
    sighting = sighting_of(replace(ARRIVED, **change), QUOTE)

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)


def test_an_address_is_the_same_in_any_case_on_evm_alone():
    solana = replace(QUOTE, ask=replace(QUOTE.ask, destination="FVen3X"))
    lower = replace(ARRIVED, receiving_address=EVM.lower())

    assert sighting_of(lower, QUOTE).outcome is Outcome.FINAL
    told = replace(ARRIVED, receiving_address="fven3x")
    assert sighting_of(told, solana).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("words", "proof"),
    [
        (("DONE", "REFUNDED"), Proof.REFUNDED),
        (("FAILED", "OUT_OF_GAS"), Proof.REVERTED),
    ],
)
def test_what_is_dead_says_why_in_a_word_that_partners_know(words, proof):
    sighting = sighting_of(BridgeReport(*words), QUOTE, proof=proof)

    assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, "transfer_reverted")
    assert sighting.failure_code in FAILURES
    assert sighting.evidence["proof"] == proof.value
