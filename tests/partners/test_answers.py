"""One Idempotency-Key, one answer, byte for byte."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.partners import answers
from engine.partners.errors import (
    IdempotencyConflict,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
)
from engine.partners.models import StoredAnswer
from engine.partners.tasks import forget_answers

FIRST, SECOND = b"1" * 32, b"2" * 32


@pytest.fixture
def store(acme):
    def keep(**changes):
        return answers.store(
            **{
                "partner_id": acme.pk,
                "livemode": True,
                "key": "k",
                "fingerprint": FIRST,
                "status": 201,
                "body": b'{"id":1}',
            }
            | changes
        )

    return keep


@pytest.fixture
def stored(acme):
    def find(**changes):
        return answers.stored(
            **{"partner_id": acme.pk, "livemode": True, "key": "k", "fingerprint": FIRST}
            | changes
        )

    return find


def age(answer, **span):
    StoredAnswer.objects.filter(pk=answer.pk).update(
        created_at=timezone.now() - timedelta(**span)
    )


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ('a"b', 'a"b'),
        ("  abc\t", "abc"),
        ("!" * 255, "!" * 255),
        ('"' + "~" * 255 + '"', "~" * 255),
        ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
    ],
)
def test_a_key_is_visible_ascii_quoted_or_not(header, key):
    assert answers.read_key(header, required=True) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        '"',
        '""',
        '"abc',
        '"a"b"',
        '"abc";p=1',
        '"a\\bc"',
        '"a b"',
        "a b",
        "a\tb",
        "a\x7f",
        "caf\u00e9",
        "\uff41",
        "a\n",
        "!" * 256,
        '"' + "~" * 256 + '"',
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_malformed_key_is_refused_required_or_not(header, required):
    with pytest.raises(IdempotencyKeyInvalid) as refusal:
        answers.read_key(header, required=required)

    assert (refusal.value.http_status, refusal.value.code) == (400, "idempotency_key_invalid")


def test_a_missing_key_is_refused_only_where_one_is_required():
    assert answers.read_key(None, required=False) is None
    with pytest.raises(IdempotencyKeyRequired) as refusal:
        answers.read_key(None, required=True)
    assert (refusal.value.http_status, refusal.value.code) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    ("header", "is_live"),
    [
        ("Bearer sk_live_x", True),
        ("bearer sk_live_", True),
        ("sk_live_x", True),
        ("Bearer sk_test_x", False),
        ("Bearer  sk_live_x", False),
        ("Basic sk_live_x", False),
        ("", False),
    ],
)
def test_a_header_says_live_before_anybody_checks_the_key(header, is_live):
    assert answers.is_live_key_text(header) is is_live


def test_a_fingerprint_is_sha256_over_method_path_and_sorted_body():
    body = {"b": 1, "a": ["é", None]}

    # printf 'POST /connect/v1/payouts\n{"a":["é",null],"b":1}' | sha256sum
    assert answers.fingerprint("POST", "/connect/v1/payouts", body).hex() == (
        "16979837da76d554a67992eda4cb0db928b89ad27445a774cf088b03d1ce34d2"
    )


def test_a_fingerprint_changes_with_all_that_was_asked_and_nothing_else():
    first = answers.fingerprint("POST", "/a", {"x": "1", "y": "2"})

    assert answers.fingerprint("POST", "/a", {"y": "2", "x": "1"}) == first
    assert (
        len(
            {
                first,
                answers.fingerprint("PUT", "/a", {"x": "1", "y": "2"}),
                answers.fingerprint("POST", "/b", {"x": "1", "y": "2"}),
                answers.fingerprint("POST", "/a", {"x": "1", "y": "3"}),
                answers.fingerprint("POST", "/a", {"x": "1", "y": 2}),
                answers.fingerprint("POST", "/a", None),
            }
        )
        == 6
    )


def test_a_stored_answer_comes_back_byte_for_byte(store, stored):
    body = b'{"b": 1,  "a": "\xc3\xa9"}\n'
    assert stored() is None
    mine = store(status=422, body=body)

    found = stored()
    assert (found.pk, found.status, found.body) == (mine.pk, 422, body)


def test_another_request_under_the_key_conflicts(store, stored):
    store()
    for call in (stored, store):
        with pytest.raises(IdempotencyConflict) as refusal:
            call(fingerprint=SECOND)
        assert (refusal.value.http_status, refusal.value.code) == (409, "idempotency_conflict")

    assert bytes(StoredAnswer.objects.get().fingerprint) == FIRST


def test_a_key_is_the_partner_s_and_the_mode_s_own(store, stored, other):
    store()

    assert stored(livemode=False) is None
    assert stored(partner_id=other.pk) is None
    store(livemode=False, fingerprint=SECOND)
    store(partner_id=other.pk, fingerprint=SECOND)
    assert stored().fingerprint == FIRST


def test_the_first_answer_stands(store):
    first = store(body=b"first")
    second = store(body=b"second")

    assert (second.pk, second.body) == (first.pk, b"first")
    assert StoredAnswer.objects.count() == 1


def test_an_answer_is_replayed_for_24_hours(store, stored):
    first = store()
    age(first, hours=23, minutes=59)
    assert stored().body == b'{"id":1}'
    age(first, hours=24, minutes=1)

    assert stored() is None
    assert stored(fingerprint=SECOND) is None


def test_a_key_is_free_again_after_24_hours(store, stored):
    age(store(body=b"first"), hours=24, minutes=1)
    second = store(fingerprint=SECOND, body=b"second")

    assert second.body == b"second"
    assert stored(fingerprint=SECOND).body == b"second"
    assert StoredAnswer.objects.count() == 1


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502, 503])
def test_an_answer_that_leaves_the_key_free_is_not_stored(store, status):
    assert not answers.may_be_stored(status)
    with pytest.raises(ValueError, match="never stored"):
        store(status=status)
    assert not StoredAnswer.objects.exists()


@pytest.mark.parametrize("status", [200, 201, 403, 409, 410, 422])
def test_any_other_answer_is_the_last_word(store, status):
    assert answers.may_be_stored(status)
    assert store(status=status).status == status


def test_answers_are_forgotten_after_30_days(store):
    for number in range(5):
        age(store(key=f"old {number}"), days=30, minutes=1)
    kept = store(key="kept")
    age(kept, days=29, hours=23)

    assert answers.forget_old(batch=2) == 5
    assert StoredAnswer.objects.get() == kept
    assert forget_answers() == 0
