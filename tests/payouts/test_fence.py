"""A database that was restored pays nobody again."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from engine.ledger.checks import check, listed_invariants
from engine.payouts import fence, journal, sending, sweeps
from engine.payouts.errors import PayoutsFrozen
from engine.payouts.models import Fence, Freeze, Journal, Payout
from engine.rails.models import Attempt
from tests.cast import drain_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def books_are_clean_afterwards(db):
    yield
    assert check(listed_invariants()).clean


@pytest.fixture
def paid(payout, finish):
    finish()
    payout.refresh_from_db()
    assert payout.status == "delivered"
    return payout


def older(position):
    """Let the database remember less than the journals do, and workers start anew."""
    Journal.objects.update(position=position)
    fence.forget()


def test_a_house_that_remembers_what_it_sent_stays_open(paid):
    fence.forget()

    assert fence.check() is True
    assert Freeze.objects.exists() is False
    assert Journal.objects.get().position == 1


def test_a_database_that_is_older_than_the_journal_is_frozen(paid, promise, execute):
    older(0)

    drain_once()

    assert Fence.objects.get().why.endswith("has counted to 1, the database to 0.")
    with pytest.raises(PayoutsFrozen):
        execute(promise())


def test_a_database_that_never_heard_of_the_journal_is_frozen(paid):
    Journal.objects.all().delete()
    fence.forget()

    assert fence.check() is False
    assert "does not know journal" in Fence.objects.get().why


def test_a_journal_that_was_restored_from_an_older_backup_than_the_database_freezes(paid):
    older(3)

    assert fence.check() is False


def test_a_worker_that_died_before_it_wrote_leaves_the_house_open(paid, payout, settings):
    older(2)

    assert fence.check() is True
    assert journal.writer() is None


def test_a_lost_journal_freezes_the_house(paid, settings, tmp_path):
    settings.JOURNAL_DIR = tmp_path / "another disk"
    fence.forget()

    assert fence.check() is False
    assert "this host has no journal" in Fence.objects.get().why


def test_a_web_host_needs_no_journal(paid, settings, tmp_path):
    settings.JOURNAL_DIR = tmp_path / "another host"
    fence.forget()

    assert fence.check(sends=False) is True


def test_another_worker_host_is_added_by_command(paid, settings, tmp_path, promise, execute):
    settings.JOURNAL_DIR = tmp_path / "another host"
    fence.forget()

    call_command("add_journal")

    assert fence.check() is True
    execute(promise())
    drain_once()
    assert sorted(Journal.objects.values_list("position", flat=True)) == [1, 1]
    with pytest.raises(CommandError, match="holds a journal already"):
        call_command("add_journal")


def test_a_first_start_needs_no_command(payout):
    assert fence.check() is True
    assert Journal.objects.exists() is False


def test_a_journal_that_another_worker_begins_just_now_is_no_alarm(paid, monkeypatch):
    """A new host: she lists no journal yet, and reads rows that count already."""
    listed = journal.folders
    answers = iter([[]])
    monkeypatch.setattr(journal, "folders", lambda home: next(answers, listed(home)))
    fence.forget()

    assert fence.check()
    assert Fence.objects.count() == 0


def test_the_fence_goes_up_once_beside_a_freeze_that_stood(paid):
    Freeze.objects.create(network="", reason="tested")
    older(0)

    assert [fence.check(), fence.check()] == [False, False]
    assert Fence.objects.count() == Freeze.objects.filter(lifted_at=None).count() == 1


def test_what_was_prepared_but_not_sent_stays_here_while_frozen(payout, rail_at_once):
    sending.prepare_due([payout.pk])
    Freeze.objects.create(network="", reason="tested")

    drain_once()

    assert Attempt.objects.get().evidence.count() == 0
    assert not Journal.objects.exists()


@pytest.mark.parametrize("network", ["", "ethereum"])
def test_what_was_sent_is_looked_up_while_frozen(payout, rail_at_once, network):
    sending.prepare_due([payout.pk])
    sending.submit_due(sending.live_attempts([payout.pk]))
    Freeze.objects.create(network=network, reason="tested")

    drain_once()
    drain_once()

    payout.refresh_from_db()
    assert payout.status == "delivered"


def test_a_freeze_of_another_network_holds_nothing_back(payout, finish):
    Freeze.objects.create(network="tron", reason="tested")

    finish()

    payout.refresh_from_db()
    assert payout.status == "delivered"


def test_a_database_that_is_exchanged_under_a_worker_is_sent_nothing(paid, promise, execute):
    execute(promise())
    Journal.objects.update(position=0)

    drain_once()

    waiting = Payout.objects.exclude(pk=paid.pk).get()
    assert (waiting.status, Fence.objects.count()) == ("pending", 1)


def test_a_database_that_is_exchanged_after_the_check_is_sent_nothing(
    paid, promise, execute, monkeypatch
):
    execute(promise())
    monkeypatch.setattr(sweeps.fence, "check", lambda: Journal.objects.update(position=0))

    drain_once()

    waiting = Payout.objects.exclude(pk=paid.pk).get()
    assert (waiting.status, Attempt.objects.get(payout_id=waiting.pk).evidence.count()) == (
        "sending", 0,
    )  # fmt: skip
    assert "exchanged under a worker" in Fence.objects.get().why


@pytest.fixture
def staff(db):
    for name in ("alice", "bob"):
        User.objects.create_user(name, is_staff=True)
    User.objects.create_user("carol")


@pytest.fixture
def fenced(paid, staff):
    older(0)
    fence.check()


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({}, "two people"),
        ({"by": "alice"}, "two people"),
        ({"by": "alice", "second": "alice"}, "two different people"),
        ({"by": "alice", "second": "carol"}, "Nobody on the staff"),
        ({"by": "alice", "second": "nobody"}, "Nobody on the staff"),
    ],
)
def test_the_fence_comes_down_by_two_of_the_staff(fenced, names, says):
    call_command("reconcile", "--json")

    with pytest.raises(CommandError, match=says):
        call_command("unfreeze", **names)

    assert Fence.objects.filter(is_up=True).exists()
    assert Freeze.objects.filter(lifted_at=None).exists()


def test_the_fence_stays_up_until_a_reconciliation(fenced):
    with pytest.raises(CommandError, match="reconcile first"):
        call_command("unfreeze", by="alice", second="bob")


def test_an_older_reconciliation_does_not_count(paid, staff):
    call_command("reconcile", "--json")
    older(0)
    fence.check()

    with pytest.raises(CommandError, match="reconcile first"):
        call_command("unfreeze", by="alice", second="bob")


def test_after_a_clean_reconciliation_two_people_let_the_house_go_on(
    fenced, promise, execute, finish
):
    call_command("reconcile", "--json")
    call_command("unfreeze", by="alice", second="bob")

    assert Freeze.objects.filter(lifted_at=None).exists() is False
    assert (Fence.objects.get().taken_down_by, Fence.objects.get().seconded_by) == (
        "alice", "bob",
    )  # fmt: skip
    assert Journal.objects.get().position == 1
    execute(promise())
    finish()
    assert Payout.objects.filter(status="delivered").count() == 2
    assert Fence.objects.filter(is_up=True).exists() is False


def test_a_freeze_of_a_network_is_lifted_beside_the_fence(fenced):
    call_command("freeze", network="tron", reason="tested")

    call_command("unfreeze", network="tron")

    assert [row.network for row in Freeze.objects.filter(lifted_at=None)] == [""]


def test_the_journal_of_another_host_must_be_read_or_called_lost(fenced, settings, capsys):
    row = Journal.objects.create(host="elsewhere", position=7)
    call_command("reconcile", "--json")

    with pytest.raises(CommandError, match="were not read"):
        call_command("unfreeze", by="alice", second="bob")

    call_command("reconcile", "--json", "--lost", str(row.pk))
    call_command("unfreeze", by="alice", second="bob")
    assert Fence.objects.filter(is_up=True).exists() is False


def test_ready_says_that_the_database_was_restored(client, paid):
    older(0)
    fence.check_at_start()

    assert client.get("/readyz").json()["restored"] is True


def test_a_web_process_starts_although_the_journal_cannot_be_read(paid, monkeypatch):
    def refuse(_home):
        raise PermissionError

    fence.forget()
    monkeypatch.setattr(journal, "folders", refuse)

    fence.check_at_start()

    assert Fence.objects.exists() is False
