"""Every reason a bank may give, both ways, and the words that people read for it."""

import pytest

from engine.payouts.failures import failure_of
from engine.rails.bank import verdicts
from engine.rails.bank.failures import CATALOGUE, DUPLICATE, REASONS, failure_of_reason
from engine.rails.base import Outcome
from tests.rails.bank.bank import back, order, read, report, statement
from tests.rails.bank.play import row

pytestmark = pytest.mark.django_db

# What each of the best known means; the table itself would only repeat itself.
EXPECTED = {
    "AC01": ("iban_invalid", False, True),
    "AC04": ("account_closed", False, True),
    "AC06": ("account_blocked", False, True),
    "AG01": ("account_cannot_receive", False, True),
    "AM02": ("amount_not_allowed", False, True),
    "AM04": ("bank_account_short", True, True),
    "BE01": ("payee_name_differs", False, True),
    "FF01": ("bank_refused_order", False, False),
    "FOCR": ("bank_recalled", False, False),
    "MD07": ("payee_deceased", False, False),
    "MS02": ("payee_refused", True, True),
    "MS03": ("payee_bank_refused", True, True),
    "RC01": ("payee_bank_unknown", False, True),
    "RR04": ("bank_forbidden", False, False),
    "TM01": ("bank_unavailable", True, True),
    "XX99": ("bank_failed", False, False),
    "": ("bank_failed", False, False),
}


@pytest.mark.parametrize("reason", EXPECTED)
def test_a_reason_means_what_the_standard_says(reason):
    failure = failure_of_reason(reason)

    told = (failure.code, failure.is_retryable, failure.is_mendable)
    assert told == EXPECTED[reason]


def test_every_reason_has_a_failure_and_every_failure_its_words():
    assert set(REASONS.values()) <= set(CATALOGUE)
    assert not set(REASONS) & DUPLICATE
    for failure in CATALOGUE.values():
        assert failure.partner.endswith("The funds are back.")
        assert failure.recipient.endswith(".")
        assert failure_of(failure.code).message == failure.partner


def test_a_transfer_that_was_rejected_fails_with_its_reason(rail, account, send):
    batch = send(len(REASONS))
    orders = [
        order(row(one), reason=reason) for one, reason in zip(batch, REASONS, strict=True)
    ]

    told = read(report(row(batch[0]).file.message_id, *orders))

    assert set(told.values()) == {"failed"}
    for reason, sighting in zip(REASONS, rail.look_up(batch), strict=True):
        assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, REASONS[reason])
        assert (sighting.evidence["reason"], sighting.needs_person) == (reason, False)


def test_a_transfer_that_came_back_fails_with_its_reason(rail, account, send):
    batch = send(len(REASONS))
    entries = [
        back(row(one), reason=reason) for one, reason in zip(batch, REASONS, strict=True)
    ]

    told = read(statement(*entries))

    assert set(told.values()) == {"failed"}
    for reason, sighting in zip(REASONS, rail.look_up(batch), strict=True):
        assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, REASONS[reason])
        assert (sighting.evidence["reason"], sighting.needs_person) == (reason, False)


@pytest.mark.parametrize("reason", ["NARR", "XX99", "AC99", None])
@pytest.mark.parametrize("whole", [True, False])
def test_a_refusal_for_no_reason_that_we_know_ends_nothing(rail, account, send, reason, whole):
    (sent,) = send()
    file = row(sent).file.message_id
    one = order(row(sent), reason=reason)

    told = read(report(file, status="RJCT", reason=reason) if whole else report(file, one))

    (sighting,) = rail.look_up([sent])
    assert told == {sent.reference: "for_person"}
    assert (sighting.outcome, sighting.needs_person) == (Outcome.SEEN, True)
    assert sighting.evidence.get("reason") == reason
    assert (row(sent).why, row(sent).finished_at) == (verdicts.REASON_UNKNOWN, None)
    assert read(report(file, order(row(sent), reason="AC04"))) == {sent.reference: "failed"}


@pytest.mark.parametrize("reason", ["NARR", "XX99"])
def test_money_back_for_a_reason_that_nobody_knows_fails_and_is_shown(
    rail, account, send, reason
):
    (sent,) = send()

    read(statement(back(row(sent), reason=reason)))

    (sighting,) = rail.look_up([sent])
    assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, "bank_failed")
    assert sighting.needs_person
    assert sighting.evidence["reason"] == reason
    assert row(sent).why == verdicts.REASON_UNKNOWN


def test_money_that_came_back_as_a_second_copy_fails_nothing(rail, account, send):
    (sent,) = send()

    assert read(statement(back(row(sent), reason="AM05"))) == {sent.reference: "for_person"}
    assert rail.look_up([sent])[0].outcome is Outcome.SEEN
