"""What a POST can come back with, and that none of it decides money.

Goal: a reference is posted again only when looks have missed it for long enough.
"""

from dataclasses import replace
from datetime import timedelta
from time import monotonic

import pytest
from django.utils import timezone

from engine.rails.base import Outcome
from engine.rails.errors import RailUnavailable
from engine.rails.models import MomoAccount, MomoCredentials, MomoSend
from engine.rails.momo.accounts import set_credentials
from engine.rails.momo.sends import claim_posts
from tests.meeting import Session
from tests.rails.momo.play import KEY, connect, posts, provision, row

pytestmark = pytest.mark.django_db


def age_misses(prepared, **ago):
    """Lets the first miss have been so long ago."""
    MomoSend.objects.filter(reference=prepared.reference).update(
        missed_at=timezone.now() - timedelta(**ago)
    )


def test_a_lost_answer_is_asked_about_and_never_posted_again(
    rail, mtn, account, prepare, look, settings
):
    mtn.state.behaviour.change({"lost_reply": 1.0})
    settings.MOMO_LOST_SECONDS = 0.0
    prepared = prepare()

    (receipt,) = rail.submit([prepared])
    (again,) = rail.submit([prepared])
    sighting = look(prepared)

    assert (receipt.accepted, again.accepted) == (None, None)
    assert again.evidence == {"said": "sent before, and asked about now"}
    assert sighting.outcome is Outcome.FINAL
    assert posts(mtn, prepared) == 1


def test_a_time_out_is_not_a_refusal(rail, mtn, account, prepare, look, settings):
    settings.MOMO_TIMEOUT_SECONDS = 0.3
    mtn.state.behaviour.change({"lost_reply": 1.0, "hang_seconds": 1.0})
    prepared = prepare()

    (receipt,) = rail.submit([prepared])

    assert receipt.accepted is None
    assert receipt.evidence == {"said": "did not answer within 0.3 seconds"}
    assert look(prepared).outcome is Outcome.FINAL


def test_a_500_is_posted_again_only_after_three_misses_over_a_quarter_of_an_hour(
    rail, mtn, account, prepare, look
):
    mtn.state.behaviour.change({"refused_before": 1.0})
    prepared = prepare()
    (receipt,) = rail.submit([prepared])
    mtn.state.behaviour.change({"refused_before": 0.0})

    for _ in range(4):
        assert look(prepared).outcome is Outcome.UNKNOWN
        assert rail.submit([prepared])[0].accepted is None
    assert posts(mtn, prepared) == 1
    age_misses(prepared, seconds=899)
    rail.submit([prepared])
    assert posts(mtn, prepared) == 1
    age_misses(prepared, seconds=901)
    (again,) = rail.submit([prepared])

    assert (receipt.accepted, again.accepted) == (None, True)
    assert receipt.evidence == {"said": "HTTP 500 INTERNAL_PROCESSING_ERROR"}
    assert posts(mtn, prepared) == 2
    assert look(prepared).outcome is Outcome.FINAL
    assert len(mtn.state.ledger()) == 1


def test_two_misses_are_too_few_however_far_apart(rail, mtn, account, prepare, look):
    mtn.state.behaviour.change({"refused_before": 1.0})
    prepared = prepare()
    rail.submit([prepared])

    look(prepared)
    look(prepared)
    age_misses(prepared, hours=2)
    rail.submit([prepared])

    assert posts(mtn, prepared) == 1


def test_a_miss_is_only_the_api_s_own_word(rail, mtn, account, prepare, look):
    mtn.state.behaviour.change({"refused_before": 1.0})
    prepared = prepare()
    rail.submit([prepared])
    mtn.state.behaviour.change({"is_down": True})

    assert look(prepared).outcome is Outcome.UNKNOWN
    assert row(prepared).misses == 0


def test_a_late_transfer_is_waited_for(rail, mtn, account, prepare, look):
    mtn.state.behaviour.change({"late": 1.0, "late_seconds": 0.5})
    prepared = prepare()
    rail.submit([prepared])

    assert look(prepared).outcome is Outcome.UNKNOWN
    taken = mtn.state.transfers[prepared.reference]
    mtn.state.transfers[prepared.reference] = replace(taken, visible_at=0.0)
    assert look(prepared).outcome is Outcome.FINAL
    assert row(prepared).misses == 0
    assert posts(mtn, prepared) == 1


def test_a_409_says_that_they_have_it(rail, mtn, account, prepare, settings):
    settings.MOMO_LOST_SECONDS = 0.0
    mtn.state.behaviour.change({"lost_reply": 1.0, "late": 1.0, "late_seconds": 3600.0})
    prepared = prepare()
    rail.submit([prepared])
    MomoSend.objects.update(misses=3, missed_at=timezone.now(), last_missed_at=timezone.now())
    mtn.state.behaviour.change({"lost_reply": 0.0})

    (receipt,) = rail.submit([prepared])

    assert (receipt.accepted, receipt.evidence) == (
        True,
        {"said": "HTTP 409 RESOURCE_ALREADY_EXIST"},
    )
    assert len(mtn.state.ledger()) == 1


def test_an_operator_that_cannot_be_reached_was_sent_nothing(rail, mtn, account, prepare):
    prepared = prepare()
    mtn.shutdown()
    mtn.server_close()

    with pytest.raises(RailUnavailable, match="could not be reached"):
        rail.submit([prepared])

    send = row(prepared)
    assert (send.posts, send.is_out) == (0, False)


def test_a_transfer_that_the_api_refuses_is_for_a_person_and_still_ends_nothing(
    rail, mtn, account, prepare
):
    MomoAccount.objects.update(payee_note="<what MTN takes for an attack>")
    prepared = prepare()

    (receipt,) = rail.submit([prepared])
    (again,) = rail.submit([prepared])
    (sighting,) = rail.look_up([prepared])

    assert (receipt.accepted, again.accepted) == (False, False)
    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert posts(mtn, prepared) == 1


def test_wrong_keys_send_nothing_and_new_ones_send_it(rail, mtn, account, prepare, look):
    good = MomoCredentials.objects.get()
    common = {
        "account": account,
        "base_url": mtn.url,
        "target_environment": "mtncameroon",
        "api_user": good.api_user,
        "subscription_key": KEY,
    }
    set_credentials(**common, api_key="wrong")
    prepared = prepare()

    with pytest.raises(RailUnavailable):
        rail.submit([prepared])
    assert posts(mtn, prepared) == 0
    mtn.state.users[good.api_user].api_key = "renewed"
    set_credentials(**common, api_key="renewed")
    (receipt,) = rail.submit([prepared])

    assert receipt.accepted is True
    assert look(prepared).outcome is Outcome.FINAL


def test_a_send_is_asked_about_as_the_user_and_on_the_platform_it_came_from(
    rail, mtn, account, prepare, look
):
    prepared = prepare()
    rail.submit([prepared])
    user, key = provision(mtn)
    set_credentials(
        account=account,
        base_url=mtn.url,
        target_environment="mtncameroon",
        api_user=user,
        api_key=key,
        subscription_key=KEY,
    )

    later = prepare()
    rail.submit([later])

    assert row(later).credentials.api_user == user
    assert [look(one).outcome for one in (prepared, later)] == [Outcome.FINAL, Outcome.FINAL]


def test_an_account_whose_keys_cannot_be_opened_stops_no_other(
    rail, mtn, account, prepare, order, settings
):
    prepared = prepare()
    settings.SEALING_KEYS = ["another-sealing-key-0123456789abcdef0123456789"]
    account.is_enabled = False
    account.save()
    connect(mtn, name="second")
    other = prepare()

    receipts = rail.submit([prepared, other])

    assert [one.accepted for one in receipts] == [None, True]


def test_sixteen_who_wait_for_a_token_do_not_each_ask_for_one(rail, mtn, account, prepare):
    mtn.state.behaviour.change({"is_down": True, "latency_seconds": 0.3})
    batch = [prepare() for _ in range(16)]
    began = monotonic()

    with pytest.raises(RailUnavailable):
        rail.submit(batch)

    assert monotonic() - began < 16 * 0.3
    assert mtn.state.posts == {}


def test_a_house_that_the_operator_does_not_let_in_makes_payouts_wait(
    rail, mtn, account, prepare, order
):
    batch = [prepare() for _ in range(20)]
    set_credentials(
        account=account,
        base_url=mtn.url,
        target_environment="mtncameroon",
        api_user=MomoCredentials.objects.get().api_user,
        api_key="wrong",
        subscription_key=KEY,
    )

    with pytest.raises(RailUnavailable):
        rail.submit(batch)
    (answer,) = rail.preflight([order()])

    assert answer.waiting_for == "operator_down"


@pytest.mark.django_db(transaction=True)
def test_two_workers_who_hand_over_the_same_post_it_once(rail, mtn, account, prepare):
    batch = [prepare() for _ in range(10)]
    mtn.state.behaviour.change({"latency_seconds": 0.05})

    workers = [Session(lambda: rail.submit(batch)) for _ in range(3)]
    receipts = [one for worker in workers for one in worker.wait()]

    assert set(mtn.state.posts.values()) == {1}
    assert len(mtn.state.posts) == 10
    assert sum(one.accepted is True for one in receipts) == 10


def test_a_worker_that_dies_with_a_post_in_its_hand_leaves_it_as_one_that_may_be_out(
    rail, mtn, account, prepare, look
):
    prepared = prepare()
    claim_posts([row(prepared)])

    (receipt,) = rail.submit([prepared])
    assert receipt.evidence == {"said": "sent before, and asked about now"}
    for _ in range(3):
        assert look(prepared).outcome is Outcome.UNKNOWN
    assert posts(mtn, prepared) == 0
    age_misses(prepared, seconds=901)
    rail.submit([prepared])

    assert posts(mtn, prepared) == 1
    assert look(prepared).outcome is Outcome.FINAL
