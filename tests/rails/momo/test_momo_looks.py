"""What a look makes of every answer, and how often it asks.

Goal: FINAL only for the very transfer that was sent, DEAD only on the operator's own
FAILED, and never more questions a second than agreed.
"""

from threading import Thread

import pytest
from django.db import connection, transaction

from engine.rails.base import Outcome, Prepared
from engine.rails.errors import RailUnavailable
from engine.rails.models import MomoSend
from engine.rails.momo import hints
from engine.rails.momo.answers import Verdict, judge
from engine.rails.momo.client import Answer, Client, Platform, forget_tokens
from engine.rails.momo.failures import CATALOGUE, REASONS, failure_of_reason
from engine.rails.momo.sends import claim_posts
from tests.rails.momo.play import KEY, drive, provision, row

pytestmark = pytest.mark.django_db

STUCK, NOBODY, FAILING = "+237653456129", "+237653456089", "+237653456119"


@pytest.fixture
def sent(rail, account, prepare):
    """A payout that the operator has taken; made with changes to its order."""

    def make(**changes):
        prepared = prepare(**changes)
        rail.submit([prepared])
        return prepared

    return make


@pytest.fixture
def told(sent, mtn, look):
    """Looks at a payout of which the operator says something else than it should."""

    def make(**changes):
        prepared = sent(destination=STUCK)
        answer = {
            "amount": "5000",
            "currency": "XAF",
            "externalId": row(prepared).external_id,
            "payee": {"partyIdType": "MSISDN", "partyId": "237653456129"},
            "financialTransactionId": "7",
            "status": "SUCCESSFUL",
        } | changes
        answer = {name: value for name, value in answer.items() if value is not None}
        return judge(row(prepared), Answer(200, answer))

    return make


def test_a_number_that_stays_pending_is_seen_and_not_final(sent, look):
    sighting = look(sent(destination=STUCK))

    assert (sighting.outcome, sighting.confirmations) == (Outcome.SEEN, 0)
    assert sighting.evidence["status"] == "PENDING"
    assert sighting.seen_at is not None
    assert sighting.expected_at is None


@pytest.mark.parametrize("is_object", [False, True])
@pytest.mark.parametrize(
    ("number", "reason", "code"),
    [
        (NOBODY, "PAYEE_NOT_FOUND", "payee_not_found"),
        (FAILING, "INTERNAL_PROCESSING_ERROR", "operator_unavailable"),
    ],
)
def test_failed_is_dead_whether_its_reason_is_a_word_or_an_object(
    mtn, sent, look, is_object, number, reason, code
):
    mtn.state.behaviour.change({"reason_is_object": is_object})

    sighting = look(sent(destination=number))

    said = sighting.evidence["reason"]
    assert (sighting.outcome, sighting.failure_code) == (Outcome.DEAD, code)
    assert (said["code"] if is_object else said) == reason
    assert sighting.failure_message == CATALOGUE[code].partner
    assert sighting.needs_person is False
    assert mtn.state.ledger() == []


def test_a_reason_that_nobody_knows_is_kept_as_it_came_and_shown_to_a_person(told):
    verdict = told(status="FAILED", reason={"code": "MOON_IN_THE_WAY", "message": "!"})

    assert (verdict.end, verdict.failure_code) == ("FAILED", "provider_failed")
    assert verdict.needs_person is True
    assert verdict.said["reason"] == {"code": "MOON_IN_THE_WAY", "message": "!"}


@pytest.mark.parametrize("reason", [None, 7, [], {"code": None}, ""])
def test_a_reason_that_is_none_is_unknown(reason):
    assert failure_of_reason(reason).code == "provider_failed"


def test_success_is_believed_of_the_transfer_that_was_sent(told):
    assert told().end == "SUCCESSFUL"
    assert told(amount="5000.00").end == "SUCCESSFUL"
    assert told(payee={"partyIdType": "MSISDN", "partyId": "+237653456129"}).end == "SUCCESSFUL"


@pytest.mark.parametrize("status", ["SUCCESSFUL", "FAILED", "PENDING"])
@pytest.mark.parametrize(
    ("change", "strange"),
    [
        ({"amount": "500"}, "amount"),
        ({"amount": "5000.50"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"currency": "EUR"}, "currency"),
        ({"externalId": "another"}, "externalId"),
        ({"payee": {"partyIdType": "MSISDN", "partyId": "237650000000"}}, "payee"),
    ],
)
def test_another_transfer_under_our_reference_is_for_a_person(told, status, change, strange):
    verdict = told(status=status, **change)

    assert (verdict.end, verdict.needs_person) == ("", True)
    assert verdict.said["strange"] == [strange]


@pytest.mark.parametrize("missing", ["amount", "currency", "externalId", "payee"])
def test_success_must_say_what_succeeded(told, missing):
    assert told(**{missing: None}).needs_person is True
    assert told(status="FAILED", reason="EXPIRED", **{missing: None}).end == "FAILED"


@pytest.mark.parametrize("body", [{}, {"statusCode": 404}, {"code": "NOT_FOUND"}])
def test_a_404_that_is_not_the_api_s_own_is_no_miss(sent, body):
    assert judge(row(sent()), Answer(404, body)) == Verdict()
    assert judge(row(sent()), Answer(404, {"code": "RESOURCE_NOT_FOUND"})).is_missing is True


def test_a_status_that_nobody_knows_is_for_a_person(told):
    verdict = told(status="REVERSED")

    assert (verdict.end, verdict.is_there, verdict.needs_person) == ("", True, True)


def test_what_was_seen_and_is_gone_is_for_a_person_and_never_posted_again(
    rail, mtn, sent, look, settings
):
    settings.MOMO_LOST_SECONDS = 0.0
    prepared = sent(destination=STUCK)
    assert look(prepared).outcome is Outcome.SEEN
    del mtn.state.transfers[prepared.reference]

    for _ in range(4):
        sighting = look(prepared)
        rail.submit([prepared])

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert mtn.state.posts[prepared.reference] == 1
    assert claim_posts([row(prepared)]) == set()


def test_what_is_lost_again_and_again_is_for_a_person(
    rail, mtn, account, prepare, look, settings
):
    settings.MOMO_LOST_SECONDS = 0.0
    mtn.state.behaviour.change({"refused_before": 1.0})
    prepared = prepare()

    for _ in range(30):
        rail.submit([prepared])
        sighting = look(prepared)

    assert mtn.state.posts[prepared.reference] == 4
    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)


def test_a_look_that_gets_no_answer_says_what_was_known(rail, mtn, sent, look):
    prepared = sent(destination=STUCK)
    first = look(prepared)
    other = sent()
    mtn.state.behaviour.change({"is_down": True})

    assert look(prepared) == first
    assert look(other).outcome is Outcome.UNKNOWN


def test_nobody_answering_is_the_rail_s_trouble(rail, mtn, sent, due):
    prepared = sent()
    due()
    mtn.state.behaviour.change({"lost_status": 1.0})

    with pytest.raises(RailUnavailable, match="could not be reached, or hung up"):
        rail.look_up([prepared])


def test_a_reference_of_nobody_is_for_a_person(rail):
    stranger = Prepared("momo", "mtn_momo", "11111111-1111-4111-8111-111111111111", b"")

    (sighting,) = rail.look_up([stranger])
    (receipt,) = rail.submit([stranger])

    assert (sighting.outcome, sighting.needs_person) == (Outcome.UNKNOWN, True)
    assert receipt.accepted is None


def test_it_asks_soon_at_first_and_seldom_later(rail, mtn, sent):
    prepared = sent(destination=STUCK)

    rail.look_up([prepared])
    assert mtn.state.looks == {}
    MomoSend.objects.update(ask_at=row(prepared).posted_at)
    rail.look_up([prepared])
    rail.look_up([prepared])

    assert mtn.state.looks == {prepared.reference: 1}


# Callbacks.


def test_a_callback_makes_it_look_now_and_decides_nothing(rail, mtn, sent, account):
    prepared = sent(destination=STUCK)
    before = row(prepared)

    assert hints.hint(account.callback_token, prepared.reference) is True

    after = row(prepared)
    assert after.ask_at < before.ask_at
    assert (after.seen_at, after.finished_at, after.said) == (None, None, None)
    (sighting,) = rail.look_up([prepared])
    assert sighting.outcome is Outcome.SEEN
    assert mtn.state.looks == {prepared.reference: 1}


@pytest.mark.parametrize("token", ["", "wrong", "%"])
def test_a_forged_callback_changes_nothing(sent, token):
    prepared = sent(destination=STUCK)
    before = MomoSend.objects.filter(reference=prepared.reference).values().get()

    assert hints.hint(token, prepared.reference) is False
    assert hints.hint(token, "not-a-uuid") is False

    assert MomoSend.objects.filter(reference=prepared.reference).values().get() == before


def test_a_callback_after_the_end_is_no_news(sent, look, account):
    prepared = sent()
    look(prepared)
    before = MomoSend.objects.filter(reference=prepared.reference).values().get()

    assert hints.hint(account.callback_token, prepared.reference) is False
    assert MomoSend.objects.filter(reference=prepared.reference).values().get() == before


# How often it asks, and as whom.


@pytest.mark.django_db(transaction=True)
def test_all_workers_together_ask_no_oftener_than_agreed(rail, mtn, sent, due, settings):
    settings.MOMO_STATUS_PER_SECOND = 10.0
    batch = [sent(destination=STUCK) for _ in range(24)]
    due()

    def work(some):
        rail.look_up(some)
        connection.close()

    workers = [Thread(target=work, args=(batch[n::3],)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    times = sorted(mtn.state.look_times)
    assert len(times) == 24
    # The turns are a tenth of a second apart; the wire may shift each by a little.
    assert max(sum(1 for one in times if 0 <= one - start < 0.9) for start in times) <= 10


def test_a_token_is_kept_until_ten_minutes_before_its_end(mtn, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("engine.rails.momo.client.monotonic", lambda: clock[0])
    user, key = provision(mtn)
    client = Client(
        Platform(
            base_url=mtn.url,
            target_environment="mtncameroon",
            api_user=user,
            user_agent="zopay/1.0",
            api_key=key,
            subscription_key=KEY,
        )
    )
    forget_tokens()

    for moment, tokens in ((0, 1), (2999, 1), (3001, 2), (6000, 2), (6002, 3)):
        clock[0] = 1000.0 + moment
        assert client.balance().status == 200
        assert len(mtn.state.tokens) == tokens


def test_a_token_that_is_refused_is_forgotten(mtn, rail, account, prepare):
    rail.submit([prepare()])
    mtn.state.tokens.clear()
    second = prepare()

    (refused,) = rail.submit([second])
    (taken,) = rail.submit([second])

    assert (refused.accepted, taken.accepted) == (False, True)


def test_what_is_printed_shows_no_key():
    platform = Platform("https://x", "sandbox", "user", "ua", "secret-1", "secret-2")

    assert "secret" not in repr(platform)


def test_every_reason_has_a_code_that_is_in_the_catalogue():
    assert set(REASONS.values()) <= set(CATALOGUE)
    assert all(one.partner.endswith("The funds are back.") for one in CATALOGUE.values())


def test_a_restored_house_knows_its_sends_again_and_posts_none(rail, mtn, sent, look, account):
    batch = [sent() for _ in range(5)]
    terms = rail.statement.terms_of(batch)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE rails_momosend DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM rails_momosend")

    with transaction.atomic():
        payloads = [
            rail.statement.recall(network="mtn_momo", reference=one.reference, terms=term)
            for one, term in zip(batch, terms, strict=True)
        ]
    ends = drive(rail, batch, rounds=3, pause=lambda: None)

    assert payloads == [one.payload for one in batch]
    assert {one.outcome for one in ends.values()} == {Outcome.FINAL}
    assert set(mtn.state.posts.values()) == {1}
    assert rail.statement.delivered(batch) == [True] * 5
