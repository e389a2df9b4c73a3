"""Units move from one account to another, exactly, or nothing moves at all."""

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from engine.ledger import accounts
from engine.ledger.errors import AlreadyMoved, InsufficientFunds
from engine.ledger.models import Movement
from engine.ledger.services import (
    Move,
    balance_of,
    balances,
    move,
    move_many,
    open_account,
)


def test_a_hold_moves_exactly_its_units(available, held):
    movement_id = move(reference="payout:1:hold", debit=available, credit=held, units=999)

    assert balance_of(account_id=available) == 1
    assert balance_of(account_id=held) == 999
    written = Movement.objects.get(pk=movement_id)
    assert (written.reference, written.debit_id, written.credit_id) == (
        "payout:1:hold",
        available,
        held,
    )
    assert (written.units, written.asset, written.livemode) == (999, "USDT", True)
    assert written.corrects_id is None


def test_the_last_unit_may_be_spent(available, held):
    move(reference="payout:1:hold", debit=available, credit=held, units=1_000)

    assert balance_of(account_id=available) == 0


def test_one_unit_too_many_is_refused_and_nothing_moves(available, held, nothing_moved):
    with pytest.raises(InsufficientFunds) as refusal, transaction.atomic():
        move(reference="payout:1:hold", debit=available, credit=held, units=1_001)

    assert (refusal.value.code, refusal.value.http_status) == ("insufficient_funds", 422)
    nothing_moved()


def test_a_reference_moves_once(available, held):
    move(reference="payout:1:hold", debit=available, credit=held, units=10)

    with pytest.raises(AlreadyMoved), transaction.atomic():
        move(reference="payout:1:hold", debit=available, credit=held, units=10)

    assert balance_of(account_id=available) == 990


def test_the_largest_amount_survives_to_the_last_digit(opened, custody):
    whale = opened(accounts.end_user_available(9, "tron"))
    units = 10**39 - 1

    move(reference="deposit:whale", debit=custody, credit=whale, units=units)

    assert balance_of(account_id=whale) == units
    assert balance_of(account_id=custody) == -units
    assert Movement.objects.get(reference="deposit:whale").units == units


@pytest.mark.parametrize("units", [0, -1])
def test_nothing_and_less_than_nothing_are_no_movement(available, held, units, nothing_moved):
    with pytest.raises(ValueError, match="moves nothing"):
        move(reference="payout:1:hold", debit=available, credit=held, units=units)

    nothing_moved()


def test_an_account_that_does_not_exist_is_refused(available, nothing_moved):
    for debit, credit in [(available, 10**12), (10**12, available)]:
        with pytest.raises(IntegrityError), transaction.atomic():
            move(reference="payout:1:hold", debit=debit, credit=credit, units=1)
        with pytest.raises(IntegrityError), transaction.atomic():
            move_many([Move("payout:1:hold", debit, credit, 1)])

    nothing_moved()


def test_a_correction_names_what_it_corrects(available, held):
    wrong = move(reference="payout:1:hold", debit=available, credit=held, units=10)

    right = move(
        reference="correction:1", debit=held, credit=available, units=10, corrects=wrong
    )

    assert Movement.objects.get(pk=right).corrects_id == wrong
    assert balance_of(account_id=available) == 1_000


def test_a_movement_is_one_statement_on_a_row_each(available, held, django_assert_num_queries):
    with django_assert_num_queries(1):
        move(reference="payout:1:hold", debit=available, credit=held, units=10)


def test_many_moves_are_made_together(available, held, custody, fees):
    count = move_many(
        [
            Move("payout:1:hold", available, held, 400),
            Move("payout:1:settle", held, custody, 390),
            Move("payout:1:fee", held, fees, 10),
        ]
    )

    assert count == 3
    assert balance_of(account_id=available) == 600
    assert balance_of(account_id=held) == 0
    assert balance_of(account_id=custody) == -610
    assert balance_of(account_id=fees) == 10
    references = Movement.objects.order_by("id").values_list("reference", flat=True)
    assert list(references)[1:] == ["payout:1:hold", "payout:1:settle", "payout:1:fee"]


def test_many_moves_are_made_all_or_none(available, held, nothing_moved):
    with pytest.raises(InsufficientFunds), transaction.atomic():
        move_many(
            [
                Move("payout:1:hold", available, held, 600),
                Move("payout:2:hold", available, held, 401),
            ]
        )
    nothing_moved()

    for again in ("deposit:1", "payout:1:hold"):
        with pytest.raises(AlreadyMoved), transaction.atomic():
            move_many(
                [
                    Move("payout:1:hold", available, held, 1),
                    Move(again, available, held, 1),
                ]
            )
        nothing_moved()


def test_many_moves_may_be_none(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert move_many([]) == 0


@pytest.mark.parametrize("missing", range(4))
def test_arrays_of_different_lengths_are_refused(available, held, missing, nothing_moved):
    arrays = [["a", "b"], [available, available], [held, held], [1, 1]]
    arrays[missing] = arrays[missing][:1]

    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT ledger_move_many(%s::text[], %s::bigint[], %s::bigint[], %s::numeric[])",
            arrays,
        )

    nothing_moved()


def test_opening_an_account_again_finds_it_and_writes_nothing(opened, sql):
    # ctid is where the row's version lies; any write, even of nothing new, moves it.
    first = opened("user:1:tron:available")
    before = sql("SELECT ctid::text FROM ledger_account")

    assert opened("user:1:tron:available") == first
    assert sql("SELECT ctid::text FROM ledger_account") == before


def test_accounts_differ_by_code_asset_and_mode(opened):
    assert (
        len(
            {
                opened("user:1:tron:available", "USDT", livemode=True),
                opened("user:1:tron:available", "USDT", livemode=False),
                opened("user:1:tron:available", "XAUT", livemode=True),
                opened("user:1:tron:held", "USDT", livemode=True),
            }
        )
        == 4
    )


def test_an_account_does_not_change_its_kind(opened):
    opened("user:1:tron:available")

    with pytest.raises(DataError, match="another kind"), transaction.atomic():
        open_account(code="user:1:tron:available", asset="USDT", livemode=True, is_hot=True)


def test_balances_are_read_by_code(available, held, custody):
    move(reference="payout:1:hold", debit=available, credit=held, units=1)
    codes = ["user:1:tron:available", "user:1:tron:held", "custody:tron", "fees"]

    assert balances(codes=codes, asset="USDT", livemode=True) == {
        "user:1:tron:available": 999,
        "user:1:tron:held": 1,
        "custody:tron": -1_000,
    }
    assert balances(codes=codes, asset="USDT", livemode=False) == {}


def test_the_balance_of_no_account_is_an_error(db):
    with pytest.raises(LookupError):
        balance_of(account_id=1)


def test_a_hot_account_that_may_not_go_negative_is_refused_too(
    available, held, fees, nothing_moved
):
    # Its balance row says 0; what it has is all in its tail.
    with transaction.atomic():
        move(reference="fee:1", debit=available, credit=fees, units=50)
        with pytest.raises(InsufficientFunds), transaction.atomic():
            move(reference="refund:1", debit=fees, credit=available, units=51)
        with pytest.raises(InsufficientFunds), transaction.atomic():
            move_many(
                [
                    Move("refund:2", fees, available, 26),
                    Move("refund:3", fees, held, 25),
                ]
            )
        assert balance_of(account_id=fees) == 50

        move(reference="refund:4", debit=fees, credit=available, units=20)
        move_many([Move("refund:5", fees, available, 30)])

    assert balance_of(account_id=fees) == 0
    assert balance_of(account_id=available) == 1_000
    with pytest.raises(InsufficientFunds), transaction.atomic():
        move(reference="refund:6", debit=fees, credit=available, units=1)


def test_a_hot_account_is_not_written_by_a_movement(available, custody, sql):
    rows = "SELECT ctid::text, balance FROM ledger_account WHERE id = %s"
    before = sql(rows, custody)

    move(reference="payout:1:settle", debit=available, credit=custody, units=10)
    move_many([Move("payout:2:settle", available, custody, 10)])

    assert sql(rows, custody) == before
    assert balance_of(account_id=custody) == -980


def test_every_code_has_a_kind():
    kinds = {
        accounts.end_user_available(17, "tron"): ("user:17:tron:available", False, False),
        accounts.end_user_held(17, "tron"): ("user:17:tron:held", False, False),
        accounts.partner_available("ab", "momo"): ("partner:ab:momo:available", False, False),
        accounts.partner_held("ab", "momo"): ("partner:ab:momo:held", False, False),
        accounts.custody("tron"): ("custody:tron", True, True),
        accounts.in_transit(): ("in_transit", True, True),
        accounts.network_cost(): ("network_cost", True, True),
        accounts.fees(): ("fees", False, True),
    }
    for code, (expected, may_go_negative, is_hot) in kinds.items():
        assert code == expected
        kind = {"may_go_negative": may_go_negative, "is_hot": is_hot}
        assert accounts.kind_of(code) == kind
    with pytest.raises(KeyError):
        accounts.kind_of("treasury")
