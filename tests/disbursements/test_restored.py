"""A database restored from before mobile-money payouts were made: none is paid again.

Real pieces: a dump and a restore by PostgreSQL's own programs, the journal on the disk, and
an operator that speaks MTN's API over HTTP and keeps books of its own.
"""

import json
from collections import Counter
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from disbursements import batches
from disbursements.models import Batch, BatchRow
from engine.ledger.checks import check, listed_invariants
from engine.payouts.models import Break, Fence, GatewayFee, Payout
from engine.rails.models import MomoAccount, MomoSend
from engine.rails.momo.accounts import set_credentials
from tests.cast import drain_once
from tests.disbursements.merchant import csv_of
from tests.rails.momo.play import KEY, mtn_in_cameroon, provision
from tests.restoring import Backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mtn(settings):
    """MTN in Cameroon, which pays at once, and an account of ours there."""
    with mtn_in_cameroon(settings) as server:
        yield server


@pytest.fixture
def dump(merchant, mtn, tmp_path):
    """Takes a backup of a house that has paid once."""
    for name in ("alice", "bob"):
        User.objects.create_user(name, is_staff=True)
    merchant.pay()
    look()
    return lambda: Backup(tmp_path / "dump")


def look():
    """Let workers pass until nothing changes any more."""
    for _ in range(5):
        MomoSend.objects.filter(finished_at__isnull=True).update(ask_at="2000-01-01T00:00:00Z")
        drain_once()


def reconcile():
    told = StringIO()
    try:
        call_command("reconcile", "--json", stdout=told)
    except SystemExit as end:
        return json.loads(told.getvalue()), end.code
    return json.loads(told.getvalue()), 0


def statuses():
    return Counter(Payout.objects.values_list("status", flat=True))


def test_payouts_made_after_the_dump_come_back_and_are_posted_no_second_time(
    dump, merchant, mtn, left
):
    backup = dump()
    made = [
        merchant.pay(msisdn=f"+23767000{end}", amount=amount)
        for end, amount in (("6789", "1000"), ("6119", "2000"), ("6129", "3000"))
    ]
    look()
    before, posts, ledger = left(), dict(mtn.state.posts), mtn.state.ledger()
    assert statuses() == {"delivered": 2, "failed": 1, "broadcast": 1}

    backup.restore()

    assert statuses() == {"delivered": 1}
    drain_once()
    frozen = merchant.execute(merchant.quote()["quote_id"])
    assert (frozen.status_code, frozen.json()["code"]) == (503, "PAYOUTS_FROZEN")
    assert mtn.state.posts == posts

    told, status = reconcile()
    assert (status, told["clean"], told["matched"], told["recreated"]) == (0, True, 3, 3)
    look()
    assert statuses() == {"delivered": 2, "failed": 1, "broadcast": 1}
    for one, word in zip(made, ("SUCCESS", "FAILED", "PROCESSING"), strict=True):
        seen = merchant.get(f"/{one['payout_id']}").json()["payout"]
        assert (seen["status"], seen["gatewayReference"]) == (word, one["gateway_reference"])
    assert (left(), mtn.state.posts, mtn.state.ledger()) == (before, posts, ledger)
    assert check(listed_invariants()).clean

    call_command("unfreeze", by="alice", second="bob")
    look()
    assert mtn.state.posts == posts
    merchant.pay()
    look()
    assert set(mtn.state.posts.values()) == {1}
    assert len(mtn.state.ledger()) == len(ledger) + 1
    assert Fence.objects.filter(is_up=True).exists() is False


def test_a_send_whose_answer_was_lost_before_the_restore_is_asked_about(
    dump, merchant, mtn, left
):
    backup = dump()
    mtn.state.behaviour.change({"lost_reply": 1.0})
    payout = merchant.pay()
    drain_once()
    mtn.state.behaviour.change({"lost_reply": 0.0})
    posts = dict(mtn.state.posts)

    backup.restore()
    assert reconcile()[1] == 0
    look()

    assert merchant.get(f"/{payout['payout_id']}").json()["payout"]["status"] == "SUCCESS"
    assert mtn.state.posts == posts
    assert left() == 100_000 - 2 * 5025


def test_keys_that_came_after_the_dump_are_asked_for_again(dump, merchant, mtn):
    backup, account = dump(), MomoAccount.objects.get()
    user, key = provision(mtn)
    terms = {
        "base_url": mtn.url,
        "target_environment": "mtncameroon",
        "api_user": user,
        "api_key": key,
        "subscription_key": KEY,
    }
    set_credentials(account=account, **terms)
    payout = merchant.pay()
    look()
    posts = dict(mtn.state.posts)

    backup.restore()
    told, status = reconcile()
    assert (status, told["clean"]) == (1, False)
    [gap] = Break.objects.filter(resolved_at=None)
    assert gap.kind == "cannot_recall"
    assert f"Connect the account mtn-cm again, at {mtn.url} as {user}." in str(gap.detail)
    assert Payout.objects.filter(pk=payout["payout_id"].removeprefix("pay_")).exists() is False

    set_credentials(account=MomoAccount.objects.get(), **terms)
    told, status = reconcile()
    look()

    assert (status, told["recreated"]) == (0, 1)
    assert merchant.get(f"/{payout['payout_id']}").json()["payout"]["status"] == "SUCCESS"
    assert mtn.state.posts == posts


def test_a_batch_that_went_on_after_the_dump_pays_none_of_its_rows_again(
    dump, merchant, mtn, left, monkeypatch
):
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    # The batch takes all that is left: what comes back must come out of what it set aside.
    file_id = merchant.upload(csv_of(6, amount=15_745)).json()["file_id"]
    answer = merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})
    assert answer.status_code == 201, answer.content
    batch = Batch.objects.get()
    free = left()
    assert batches._pay_some(batch.pk) == 2
    look()
    backup = dump()
    assert batches._pay_some(batch.pk) == 2
    look()
    posts = dict(mtn.state.posts)
    assert statuses() == {"delivered": 5}

    backup.restore()
    assert (Batch.objects.get().made_payouts, Payout.objects.count()) == (2, 3)
    drain_once()
    assert batches.pay_batches() == 0
    told, status = reconcile()
    assert (status, told["recreated"]) == (0, 2)
    look()
    assert check(listed_invariants()).clean
    assert (statuses(), left()) == ({"delivered": 5}, free)

    call_command("unfreeze", by="alice", second="bob")
    assert batches.pay_batches() == 4
    look()

    assert statuses() == {"delivered": 7}
    assert set(mtn.state.posts.values()) == {1}
    assert posts.items() <= mtn.state.posts.items()
    assert Counter(Counter(one["payee"] for one in mtn.state.ledger()).values()) == {1: 7}
    assert Batch.objects.get().status == "COMPLETED"
    assert BatchRow.objects.exclude(payout_id=None).count() == 6
    assert left() == free
    assert check(listed_invariants()).clean


def test_a_batch_that_was_begun_after_the_dump_may_be_begun_again(
    dump, merchant, mtn, left, monkeypatch
):
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    backup = dump()

    def begin():
        file_id = merchant.upload(csv_of(4)).json()["file_id"]
        return merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"}).json()

    first = begin()
    batches._pay_some(Batch.objects.get().pk)
    look()

    backup.restore()
    drain_once()
    assert reconcile()[1] == 0
    call_command("unfreeze", by="alice", second="bob")
    assert merchant.get(f"/bulk/{first['batch_id']}").status_code == 404
    again = begin()
    assert batches.pay_batches() == 4
    look()

    assert again["batch_id"] == first["batch_id"]
    assert statuses() == {"delivered": 5}
    assert Counter(Counter(one["payee"] for one in mtn.state.ledger()).values()) == {1: 5}
    assert left() == 100_000 - 5025 - 4 * 102
    assert check(listed_invariants()).clean


@pytest.mark.parametrize("franc_more", [7, -1, 0])
def test_a_batch_begun_again_at_other_fees_notes_what_its_payouts_took(
    dump, merchant, mtn, left, monkeypatch, franc_more
):
    """The float has no more than what is left of it needs: what was paid is not needed twice."""
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    GatewayFee.objects.filter(gateway="mtn_momo").update(platform_units=1)
    backup = dump()

    def begin():
        file_id = merchant.upload(csv_of(4, amount=23_000)).json()["file_id"]
        return merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})

    assert begin().status_code == 201
    cost = Batch.objects.get().fees and 23_000 + 115 + 1
    batches._pay_some(Batch.objects.get().pk)
    look()
    backup.restore()
    drain_once()
    assert reconcile()[1] == 0
    call_command("unfreeze", by="alice", second="bob")
    before = left()
    GatewayFee.objects.filter(gateway="mtn_momo").update(platform_units=1 + franc_more)

    assert begin().status_code == 201
    assert left() == before - 2 * (cost + franc_more)
    assert check(listed_invariants()).clean
    assert batches._pay_some(Batch.objects.get().pk) == 2
    assert check(listed_invariants()).clean
    assert batches.pay_batches() == 2
    look()

    rows = BatchRow.objects.order_by("line").values_list("units", "is_from_reserve")
    assert list(rows) == [(cost, False)] * 2 + [(cost + franc_more, True)] * 2
    assert left() == before - 2 * (cost + franc_more)
    assert statuses() == {"delivered": 5}
    assert check(listed_invariants()).clean


@pytest.mark.parametrize("franc_more", [7, -1])
def test_a_payout_that_comes_back_after_its_batch_was_begun_again_at_other_fees(
    dump, merchant, mtn, left, monkeypatch, franc_more
):
    """Its money comes out of what was set aside anew, at another price than its own."""
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 2)
    GatewayFee.objects.filter(gateway="mtn_momo").update(platform_units=1)
    backup = dump()

    def begin():
        file_id = merchant.upload(csv_of(4)).json()["file_id"]
        return merchant.post("/bulk", {"file_id": file_id, "idempotency_key": "b-1"})

    begin()
    batches._pay_some(Batch.objects.get().pk)
    look()
    backup.restore()
    GatewayFee.objects.filter(gateway="mtn_momo").update(platform_units=1 + franc_more)
    before = left()
    assert begin().status_code == 201
    drain_once()
    assert reconcile()[1] == 0
    assert check(listed_invariants()).clean
    call_command("unfreeze", by="alice", second="bob")

    assert batches._pay_some(Batch.objects.get().pk) == 2
    assert check(listed_invariants()).clean
    assert batches.pay_batches() == 2
    look()

    rows = BatchRow.objects.order_by("line").values_list("units", "is_from_reserve")
    cost = 100 + 1 + 1 + 1
    assert list(rows) == [(cost, True)] * 2 + [(cost + franc_more, True)] * 2
    assert left() == before - 4 * cost - 2 * franc_more
    assert statuses() == {"delivered": 5}
    assert check(listed_invariants()).clean
