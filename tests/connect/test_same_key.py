"""One Idempotency-Key, one answer, byte for byte."""

import pytest
from django.db import connection

from engine.payouts.models import Payout, Quote
from tests.cast import BASE, QUOTE, USDT, count, footprint, fund, units_held
from tests.meeting import Session, wait_until_somebody_waits_for_me

ADDRESS = {"asset": "USDT", "network": "tron", "external_ref": "user-1"}


@pytest.mark.parametrize(("path", "body"), [("/payouts/quote", QUOTE), ("/addresses", ADDRESS)])
def test_the_same_key_gives_the_same_bytes_and_says_so(api, path, body):
    first = api.post(path, body, key="k")
    again = api.post(path, body, key="k")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert again["Content-Type"] == "application/json"
    assert again["Request-Id"] != first["Request-Id"]


def test_the_quoted_form_of_a_key_is_the_same_key(live_api):
    first = live_api.post("/payouts/quote", QUOTE, key="abc")

    assert live_api.post("/payouts/quote", QUOTE, key='"abc"').content == first.content


def test_the_order_of_members_is_not_part_of_the_request(live_api):
    first = live_api.post("/payouts/quote", QUOTE, key="k")
    turned = dict(reversed(QUOTE.items()))

    assert live_api.post("/payouts/quote", turned, key="k").content == first.content


def test_the_same_key_for_another_body_is_a_conflict(api):
    api.post("/payouts/quote", QUOTE, key="k")
    before = footprint()
    refused = api.post("/payouts/quote", QUOTE | {"amount": "7"}, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
    assert footprint() == before
    assert Quote.objects.count() == 1


def test_the_same_key_for_another_path_is_a_conflict(live_api):
    quote_id = live_api.post("/payouts/quote", QUOTE, key="k").json()["quote_id"]
    before = footprint()
    refused = live_api.post("/payouts", {"quote_id": quote_id}, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
    assert footprint() == before


def test_the_same_key_for_another_quote_is_a_conflict_and_moves_nothing(live_api):
    first, second = live_api.quote(), live_api.quote()
    live_api.post("/payouts", {"quote_id": first}, key="k")
    before = footprint()
    refused = live_api.post("/payouts", {"quote_id": second}, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
    assert footprint() == before


def test_a_replay_wins_over_quote_already_used(live_api):
    body = {"quote_id": live_api.quote()}
    first = live_api.post("/payouts", body, key="k")
    again = live_api.post("/payouts", body, key="k")

    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert Payout.objects.count() == 1


def test_a_replay_says_what_was_said_then_not_what_is_now(live_api, finish):
    body = {"quote_id": live_api.quote()}
    first = live_api.post("/payouts", body, key="k")
    finish()

    assert live_api.post("/payouts", body, key="k").content == first.content
    assert first.json()["status"] == "pending"


def test_a_refusal_that_is_the_last_word_is_kept(live_api, funded):
    body = {"quote_id": live_api.quote(amount="2000")}
    first = live_api.post("/payouts", body, key="k")
    fund(funded, livemode=True, units=5000 * USDT)
    again = live_api.post("/payouts", body, key="k")

    assert (first.status_code, first.json()["code"]) == (422, "insufficient_funds")
    assert (again.status_code, again.content) == (422, first.content)
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"
    # Another key asks anew.
    assert live_api.post("/payouts", body, key="k2").status_code == 201


def test_a_refused_quote_is_kept_too(live_api):
    body = QUOTE | {"amount": "1.30"}
    first = live_api.post("/payouts/quote", body, key="k")

    assert first.json()["code"] == "amount_too_small"
    assert live_api.post("/payouts/quote", body, key="k").content == first.content


@pytest.mark.parametrize(
    ("change", "status"), [({"amount": 1}, 400), ({"external_ref": "not-yet"}, 404)]
)
def test_a_refusal_that_time_may_change_leaves_the_key_free(live_api, change, status):
    assert live_api.post("/payouts/quote", QUOTE | change, key="k").status_code == status
    assert count("partners_storedanswer") == 0
    assert live_api.post("/payouts/quote", QUOTE, key="k").status_code == 201


def test_test_mode_keeps_the_first_answer_under_a_new_key_too(test_api):
    quote_id = test_api.quote()
    first = test_api.post("/payouts", {"quote_id": quote_id}, key="one")
    second = test_api.post("/payouts", {"quote_id": quote_id}, key="two")
    other = test_api.quote(amount="7")

    assert second.content == first.content
    assert test_api.post("/payouts", {"quote_id": other}, key="two").status_code == 409


def test_keys_of_the_two_modes_and_of_two_partners_are_apart(
    live_api, test_api, other_live_api
):
    live = live_api.post("/addresses", ADDRESS, key="k")
    test = test_api.post("/addresses", ADDRESS, key="k")
    theirs = other_live_api.post("/addresses", ADDRESS, key="k")

    assert len({live.content, test.content, theirs.content}) == 3
    assert [answer.status_code for answer in (live, test, theirs)] == [201, 201, 201]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, '"open', "schlüssel", "a\tb"])
def test_a_malformed_key_is_refused_wherever_keys_are_honoured(api, key):
    for path, body in (("/payouts/quote", QUOTE), ("/addresses", ADDRESS), ("/payouts", {})):
        refused = api.post(path, body, headers={"idempotency-key": key}, key=None)
        assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_invalid")


def test_a_key_of_255_characters_is_a_key(live_api):
    assert live_api.post("/payouts/quote", QUOTE, key="!" + "~" * 254).status_code == 201


@pytest.fixture
def impatient(settings):
    """Sessions of this test wait half a second for a lock, not five."""
    options = settings.DATABASES["default"]["OPTIONS"]
    patient = connection.settings_dict["OPTIONS"]["options"]
    connection.close()
    connection.settings_dict["OPTIONS"]["options"] = "-c lock_timeout=500ms"
    yield options
    connection.settings_dict["OPTIONS"]["options"] = patient
    connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["k", None])
def test_who_waits_too_long_for_the_same_quote_is_told_to_come_back(live_api, impatient, key):
    quote_id = live_api.quote()
    before = footprint()
    from django.db import transaction

    with transaction.atomic():
        Quote.objects.select_for_update().get()
        second = Session(lambda: live_api.post("/payouts", {"quote_id": quote_id}, key=key))
        wait_until_somebody_waits_for_me()
        refused = second.wait()

    wanted = (409, "idempotency_in_progress") if key else (503, "unavailable")
    assert (refused.status_code, refused.json()["code"]) == wanted
    assert refused["Retry-After"] == "1"
    assert refused.json()["retryable"] is True
    assert footprint() == before
    assert live_api.post("/payouts", {"quote_id": quote_id}, key=key).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_second_quote_of_one_key_waits_for_the_first_and_repeats_it(live_api, funded):
    from django.db import transaction

    from engine.partners import answers

    fingerprint = answers.fingerprint("POST", f"{BASE}/payouts/quote", QUOTE)
    with transaction.atomic():
        answers.store(
            partner_id=funded.pk,
            livemode=True,
            key="k",
            fingerprint=fingerprint,
            status=201,
            body=b'{"first":true}',
        )
        second = Session(lambda: live_api.post("/payouts/quote", QUOTE, key="k"))
        wait_until_somebody_waits_for_me()

    answer = second.wait()
    assert (answer.status_code, answer.content) == (201, b'{"first":true}')
    assert answer["Idempotent-Replayed"] == "true"
    # The second one's own quote was undone.
    assert Quote.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_after_a_day_the_key_is_new_again(live_api, funded):
    body = {"quote_id": live_api.quote()}
    live_api.post("/payouts", body, key="k")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE partners_storedanswer SET created_at = now() - interval '24 h 1 s'"
        )

    refused = live_api.post("/payouts", body, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "quote_already_used")
    assert units_held(funded, livemode=True) == 900 * USDT
