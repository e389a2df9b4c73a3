"""Calls that meet: one wins, and nobody waits who need not.

Goal: no two requests may both change a key, make an end user or store an answer. Method:
one call holds its row open in a database transaction until PostgreSQL says that the other
is waiting for it.
"""

import pytest
from django.db import connection, transaction

from engine.partners import answers, authentication
from engine.partners.errors import IdempotencyConflict, IdempotencyInProgress, KeyNotActive
from engine.partners.models import ALL_SCOPES, ApiKey, EndUser, StoredAnswer
from engine.partners.services import mint_key, revoke_key, rotate_key, see_end_user
from tests.meeting import Session, wait_until_somebody_waits_for_me

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND = b"1" * 32, b"2" * 32


@pytest.fixture
def key(acme):
    return mint_key(partner=acme, livemode=True, name="server", scopes=ALL_SCOPES)[0]


def test_of_two_rotations_of_one_key_one_wins(key):
    with transaction.atomic():
        successor, _ = rotate_key(key=key, old_lives_seconds=3600, by=None)
        second = Session(lambda: rotate_key(key=key, old_lives_seconds=0, by=None))
        wait_until_somebody_waits_for_me()

    with pytest.raises(KeyNotActive):
        second.wait()
    key.refresh_from_db()
    assert key.replaced_by == successor
    assert key.state == "active"
    assert ApiKey.objects.count() == 2


def test_a_rotation_that_meets_a_revocation_is_refused(key):
    with transaction.atomic():
        revoke_key(key=key, by=None)
        rotation = Session(lambda: rotate_key(key=key, old_lives_seconds=3600, by=None))
        wait_until_somebody_waits_for_me()

    with pytest.raises(KeyNotActive):
        rotation.wait()
    assert ApiKey.objects.get().state == "revoked"


def test_noting_a_use_does_not_wait_for_a_rotation(key):
    with transaction.atomic():
        rotate_key(key=key, old_lives_seconds=3600, by=None)
        Session(lambda: authentication._note_use(key.pk)).wait()

    key.refresh_from_db()
    assert key.last_used_at is None


def test_two_first_sights_of_one_end_user_are_one_row(acme):
    def see():
        return see_end_user(partner_id=acme.pk, livemode=True, external_ref="user-1")

    with transaction.atomic():
        first = see()
        second = Session(see)
        wait_until_somebody_waits_for_me()

    assert second.wait() == first
    assert EndUser.objects.count() == 1


def store(acme, fingerprint=FIRST, body=b"first"):
    return answers.store(
        partner_id=acme.pk,
        livemode=True,
        key="k",
        fingerprint=fingerprint,
        status=201,
        body=body,
    )


def test_of_two_answers_to_one_key_the_first_stands(acme):
    with transaction.atomic():
        store(acme, body=b"first")
        second = Session(lambda: store(acme, body=b"second"))
        wait_until_somebody_waits_for_me()

    assert second.wait().body == b"first"
    assert StoredAnswer.objects.get().body == b"first"


def test_two_requests_with_one_key_that_meet_conflict(acme):
    with transaction.atomic():
        store(acme)
        second = Session(lambda: store(acme, fingerprint=SECOND))
        wait_until_somebody_waits_for_me()

    with pytest.raises(IdempotencyConflict):
        second.wait()
    assert bytes(StoredAnswer.objects.get().fingerprint) == FIRST


def test_a_first_request_that_takes_too_long_is_in_progress(acme):
    def store_impatiently():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        return store(acme)

    with transaction.atomic():
        store(acme)
        second = Session(store_impatiently)
        with pytest.raises(IdempotencyInProgress) as refusal:
            second.wait()

    assert refusal.value.headers == {"Retry-After": "1"}
    assert refusal.value.http_status == 409
    assert refusal.value.retryable is True
    assert StoredAnswer.objects.count() == 1
