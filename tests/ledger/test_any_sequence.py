"""Whatever is moved in whatever order, the books agree with plain arithmetic."""

from contextlib import suppress

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ledger import accounts
from engine.ledger.checks import check
from engine.ledger.errors import InsufficientFunds
from engine.ledger.invariants import INVARIANTS
from engine.ledger.rollup import roll_up
from engine.ledger.services import Move, balance_of, move, move_many, open_account

CODES = (
    "user:1:tron:available",
    "user:1:tron:held",
    "user:2:tron:available",
    "fees",
    "custody:tron",
    "in_transit",
)
PLACES = st.integers(0, len(CODES) - 1)
MOVES = st.tuples(PLACES, PLACES, st.integers(1, 50) | st.integers(1, 10**30)).filter(
    lambda step: step[0] != step[1]
)
STEPS = st.lists(MOVES | st.lists(MOVES, max_size=4) | st.just("roll up"), max_size=20)


class Undone(Exception):
    pass


@pytest.mark.django_db
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_any_sequence_of_moves_keeps_the_books(steps):
    with suppress(Undone), transaction.atomic():
        ids = [
            open_account(code=code, asset="USDT", livemode=True, **accounts.kind_of(code))
            for code in CODES
        ]
        expected = dict.fromkeys(ids, 0)
        for number, step in enumerate(steps):
            take(step, number, ids, expected)

        assert {each: balance_of(account_id=each) for each in ids} == expected
        assert sum(expected.values()) == 0
        assert check(INVARIANTS).clean
        raise Undone


def take(step, number, ids, expected):
    """Take one step in the books and, if they allow it, the same one on paper."""
    if step == "roll up":
        roll_up()
        return
    wanted = [
        Move(f"{number}:{place}", ids[debit], ids[credit], units)
        for place, (debit, credit, units) in enumerate(
            step if isinstance(step, list) else [step]
        )
    ]
    try:
        with transaction.atomic():
            if isinstance(step, list):
                move_many(wanted)
            else:
                [each] = wanted
                move(
                    reference=each.reference,
                    debit=each.debit,
                    credit=each.credit,
                    units=each.units,
                )
    except InsufficientFunds:
        assert not is_covered(wanted, ids, expected)
    else:
        assert is_covered(wanted, ids, expected)
        for each in wanted:
            expected[each.debit] -= each.units
            expected[each.credit] += each.units


def is_covered(wanted, ids, expected):
    """Users are judged after all moves; fees must cover their debits beforehand."""
    after = dict(expected)
    fees = ids[3]
    taken = sum(each.units for each in wanted if each.debit == fees)
    for each in wanted:
        after[each.debit] -= each.units
        after[each.credit] += each.units
    return taken <= expected[fees] and all(after[each] >= 0 for each in ids[:3])
