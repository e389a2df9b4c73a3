"""A backup restored after payments were paid out: none is paid again, none is forgotten.

A payout comes back with its payment, out of its journal line, under their old names.
"""

import contextlib
import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from engine.common.times import now_in_books
from engine.ledger.checks import check, listed_invariants
from engine.payouts import fence, journal, services
from engine.payouts.errors import PayoutsFrozen
from engine.payouts.models import Break, Conversion, Fence, Freeze, Payout
from engine.payouts.states import Status
from engine.rails.base import Outcome, Sighting, rail_named
from payments.door import describe
from payments.models import FormSession, Payment, PaymentPayout, Token
from payments.opening import is_open
from payments.services import create_payment, expire_due, expire_now, submit
from tests.cast import drain_once
from tests.payments.till import (
    MOMO,
    NO_ACCOUNT,
    OTHER_WALLET,
    WALLET,
    Till,
    fill,
    in_books,
    pay,
)
from tests.payouts import outside
from tests.restoring import Backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def outside_that_remembers(settings, tmp_path, monkeypatch):
    monkeypatch.setenv(outside.FILE, str(tmp_path / "outside.jsonl"))
    settings.PAYOUT_RAILS = settings.PAYOUT_RAILS | {
        outside.NAME: "tests.payouts.outside.OutsideRail"
    }
    settings.PAYOUT_RAIL = outside.NAME
    rail_named.cache_clear()
    yield
    rail_named.cache_clear()


@pytest.fixture
def livemode():
    return True


@pytest.fixture
def backup(till, tmp_path):
    """A house that has paid one payment, and its dump."""
    pay(till.create_francs(), MOMO)
    drain_thrice()
    return Backup(tmp_path / "dump")


def drain_thrice():
    for _ in range(3):
        drain_once()


def reconcile():
    told = StringIO()
    with contextlib.suppress(SystemExit):
        call_command("reconcile", "--json", stdout=told)
    return json.loads(told.getvalue())


def lower_the_fence():
    fence.take_down(by="alice", second="bob")


def true_books():
    return [one.invariant.name for one in check(listed_invariants()).findings if one.rows]


def test_payments_made_and_paid_after_the_dump_come_back_and_are_paid_once(backup, till):
    wish = till.wish(key="k-1", external_id="order-1", description="For Ada")
    changed, _ = create_payment(wish)
    pay(changed, WALLET)
    plain = pay(till.create_francs(), MOMO)
    drain_thrice()
    shown = [describe(Payment.objects.get(pk=one.pk)) for one in (changed, plain)]
    left, fx = till.left(), in_books("fx", "USDT", True)
    sent = outside.sends()
    assert len(sent) == 3

    backup.restore()
    # Nobody has looked yet but she who is asked.
    with pytest.raises(PayoutsFrozen):
        create_payment(wish)
    assert Fence.objects.get().is_up
    drain_once()
    assert Payment.objects.count() == 1
    with pytest.raises(PayoutsFrozen):
        create_payment(wish)

    told = reconcile()
    assert (told["clean"], told["matched"], told["recreated"]) == (True, 2, 2)
    lower_the_fence()
    drain_thrice()

    assert outside.sends() == sent
    assert [describe(Payment.objects.get(pk=one.pk)) for one in (changed, plain)] == shown
    assert {row["status"] for row in shown} == {"succeeded"}
    assert (till.left(), in_books("fx", "USDT", True)) == (left, fx)
    assert (
        Conversion.objects.get().from_account_id
        == Payment.objects.get(pk=changed.pk).available_account_id
    )
    # Whoever asks again, with the same words, is shown the same payment.
    known, is_new = create_payment(wish)
    assert (known.pk, is_new) == (changed.pk, False)
    assert true_books() == []
    assert reconcile()["clean"]


def test_a_payment_that_the_dump_knows_is_paid_from_what_it_holds(till, tmp_path):
    payment = till.create()
    session = fill(payment, WALLET)
    young = till.create()
    backup = Backup(tmp_path / "dump")
    submit(session.code, payment.pk)
    pay(young, WALLET)
    drain_thrice()
    sent = outside.sends()

    backup.restore()
    # Nothing that happens before the journals are read gives away what is out.
    assert not expire_now(payment.pk)
    soon = payment.created_at + timedelta(microseconds=1)
    Payment.objects.filter(pk=payment.pk).update(expires_at=soon)
    Fence.objects.all().delete()
    assert expire_due() == 0
    assert Fence.objects.get().is_up
    assert set(Payment.objects.values_list("status", flat=True)) == {"pending"}
    told = reconcile()
    assert (told["clean"], told["recreated"]) == (True, 2)
    lower_the_fence()
    drain_thrice()

    assert outside.sends() == sent
    assert set(Payment.objects.values_list("status", flat=True)) == {"succeeded"}
    assert FormSession.objects.filter(used_at__isnull=False).count() == 2
    assert till.left() == 80_000
    assert true_books() == []


@pytest.fixture
def dead(monkeypatch):
    """Lets the outside say of these destinations that nothing will arrive there."""
    destinations, look_up = {}, outside.OutsideRail.look_up

    def look(self, batch):
        return [
            Sighting(Outcome.DEAD, evidence={"said": "no"}, failure_code=code)
            if (code := destinations.get(json.loads(one.payload)["destination"]))
            else sighting
            for one, sighting in zip(batch, look_up(self, batch), strict=True)
        ]

    monkeypatch.setattr(outside.OutsideRail, "look_up", look)
    return destinations


def test_a_recalled_payout_that_fails_opens_the_form_that_came_back_with_it(backup, till, dead):
    payment = till.create()
    pay(payment, WALLET)
    drain_once()
    backup.restore()
    dead[WALLET.destination] = "destination_rejected"
    drain_once()

    told = reconcile()
    assert (told["clean"], told["recreated"]) == (True, 1)
    lower_the_fence()

    assert is_open(Payment.objects.get(pk=payment.pk), now_in_books())
    assert till.left() == 90_000
    assert (in_books("fx", "EUR", True), in_books("fx", "USDT", True)) == (0, 0)
    assert true_books() == []
    pay(payment, OTHER_WALLET)
    drain_thrice()
    assert Payment.objects.get(pk=payment.pk).status == "succeeded"
    assert PaymentPayout.objects.filter(payment=payment).count() == 2
    assert true_books() == []


@pytest.mark.parametrize("spoilt", ["missing", "altered", "of another payout"])
def test_a_line_that_does_not_say_whose_it_is_moves_nothing(backup, till, settings, spoilt):
    pay(till.create(), WALLET)
    pay(till.create(amount="7.00"), WALLET)
    drain_once()
    backup.restore()
    [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
    [file] = journal.files(folder)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    ours = [line for line in lines if "kept" in line][-2:]
    kept = [line["kept"] for line in ours]
    for line, mine, other in zip(ours, kept, kept[::-1], strict=True):
        altered = mine[:-2] + ("00" if mine[-2:] != "00" else "11")
        line["kept"] = {"missing": None, "altered": altered}.get(spoilt, other)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    drain_once()
    before = till.left()

    told = reconcile()

    assert {one["kind"] for one in told["breaks"]} == {Break.objects.first().kind}
    assert [one["detail"]["why"] for one in told["breaks"]] == [
        "the journal does not say whose payment this is"
    ] * 2
    assert till.left() == before
    assert Payment.objects.count() == 1
    assert true_books() == []


def test_a_float_that_is_too_short_is_a_break_and_moves_nothing(till, tmp_path):
    # Before the last credit: the money that was paid out is not there yet.
    pay(till.create_francs(), MOMO)
    drain_thrice()
    backup = Backup(tmp_path / "dump")
    till.give("EUR", 500_000, reference="late")
    pay(till.create(amount="5000.00"), WALLET)
    drain_once()
    backup.restore()
    drain_once()

    told = reconcile()
    assert [one["detail"]["units"] for one in told["breaks"]] == ["5472500000"]
    assert Payment.objects.count() == 1
    assert true_books() == []

    till.give("EUR", 500_000, reference="late")
    told = reconcile()
    assert (told["clean"], told["recreated"]) == (True, 1)
    assert till.left() == 100_000
    assert true_books() == []


def test_a_token_that_the_dump_does_not_know_is_replaced_by_the_newest(backup, till):
    minted = Till.__new__(Till)
    minted.partner, minted.livemode = till.partner, True
    minted.token = Token.objects.create(
        partner=till.partner, livemode=True, name="new", digest=b"n" * 32,
        sealed_text=b"sealed", prefix_shown="tk_live_", last4="wxyz",
    )  # fmt: skip
    payment = minted.create()
    pay(payment, WALLET)
    drain_once()
    backup.restore()
    drain_once()

    assert reconcile()["recreated"] == 1
    assert Payment.objects.get(pk=payment.pk).token_id == till.token.pk


def test_a_payout_that_was_never_sent_leaves_a_gap_that_the_next_one_steps_over(
    backup, till, dead
):
    payment = till.create()
    never_sent = pay(payment, OTHER_WALLET).payout_id
    services.advance(
        Status.FAILED, [services.Step(never_sent, failure_code="destination_rejected")]
    )
    pay(payment, WALLET)
    drain_once()
    backup.restore()
    dead[WALLET.destination] = "destination_rejected"
    drain_once()
    assert reconcile()["clean"]
    lower_the_fence()

    pay(payment, OTHER_WALLET)

    assert list(
        PaymentPayout.objects.filter(payment=payment).values_list("number", flat=True)
    ) == [1, 2]
    assert true_books() == []


def test_a_form_submitted_again_before_anybody_looked_makes_room_for_what_was_sent(
    till, tmp_path, monkeypatch
):
    payment = till.create()
    other = till.create()
    backup = Backup(tmp_path / "dump")
    first = pay(payment, WALLET).payout_id
    drain_thrice()
    sent = outside.sends()
    backup.restore()
    # The recipient finds her form open, at a web host that has no journals.
    again = fill(payment, OTHER_WALLET)
    with pytest.raises(PayoutsFrozen):
        submit(again.code, payment.pk)
    with monkeypatch.context() as patch:
        patch.setattr(fence, "may_have_forgotten", lambda: False)
        Freeze.objects.all().delete()
        second = submit(again.code, payment.pk).payout_id
        untouched = pay(other, OTHER_WALLET).payout_id
        Fence.objects.all().delete()
    drain_once()

    told = reconcile()
    assert (told["clean"], told["recreated"]) == (True, 1)
    given_up = Payout.objects.get(pk=second)
    assert (given_up.status, given_up.failure_code) == ("cancelled", "superseded")
    assert Payment.objects.get(pk=payment.pk).payout_id == first
    assert outside.sends() == sent

    lower_the_fence()
    drain_thrice()
    assert Payment.objects.get(pk=payment.pk).status == "succeeded"
    # What nobody knows to have been sent before goes out now, as ever.
    assert Payout.objects.get(pk=untouched).status == "delivered"
    assert len(outside.sends()) == len(sent) + 1
    assert till.left() == 80_000
    assert true_books() == []


def test_what_somebody_cancels_behind_the_fence_does_not_give_away_what_was_sent(
    till, tmp_path, monkeypatch
):
    payment = till.create()
    backup = Backup(tmp_path / "dump")
    first = pay(payment, WALLET).payout_id
    drain_thrice()
    backup.restore()
    with monkeypatch.context() as patch:
        patch.setattr(fence, "may_have_forgotten", lambda: False)
        second = pay(payment, OTHER_WALLET).payout_id
    drain_once()

    assert services.cancel(second)
    assert Payment.objects.get(pk=payment.pk).status == "pending"
    assert till.left() == 90_000
    assert true_books() == []
    assert reconcile()["clean"]
    assert Payment.objects.get(pk=payment.pk).payout_id == first
    assert true_books() == []


def test_a_payment_that_ended_before_anybody_looked_is_a_break_and_stays_as_it_is(
    till, tmp_path, monkeypatch
):
    payment = till.create()
    backup = Backup(tmp_path / "dump")
    pay(payment, WALLET)
    drain_thrice()
    backup.restore()
    with monkeypatch.context() as patch:
        patch.setattr(fence, "may_have_forgotten", lambda: False)
        assert expire_now(payment.pk)
    drain_once()

    told = reconcile()

    [one] = told["breaks"]
    assert one["detail"]["why"] == f"payment {payment.pk} has failed meanwhile"
    assert Payout.objects.count() == 0
    assert till.left() == 100_000
    assert true_books() == []


def test_two_payouts_of_one_payment_come_back_one_after_the_other(backup, till, dead):
    dead[NO_ACCOUNT.destination] = "payee_not_found"
    payment = till.create_francs()
    pay(payment, NO_ACCOUNT)
    drain_thrice()
    pay(payment, MOMO)
    drain_thrice()
    assert Payment.objects.get(pk=payment.pk).status == "succeeded"
    sent = outside.sends()
    backup.restore()
    drain_once()

    # The first is found to have failed only after it is back, and holds the money till then.
    told = reconcile()
    assert (told["clean"], told["recreated"], len(told["breaks"])) == (False, 1, 1)
    told = reconcile()
    assert (told["clean"], told["recreated"]) == (True, 1)
    lower_the_fence()
    drain_thrice()

    assert Payment.objects.get(pk=payment.pk).status == "succeeded"
    assert list(
        PaymentPayout.objects.filter(payment=payment).values_list("number", flat=True)
    ) == [1, 2]
    assert outside.sends() == sent
    assert true_books() == []
