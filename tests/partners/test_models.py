"""PostgreSQL holds the rules, whoever writes."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from engine.partners.models import (
    ALL_SCOPES,
    ApiKey,
    EndUser,
    FeeSchedule,
    Partner,
    StoredAnswer,
)

KEY = {
    "livemode": False,
    "name": "laptop",
    "digest": b"d" * 32,
    "prefix_shown": "sk_test_",
    "last4": "abcd",
    "scopes": list(ALL_SCOPES),
}
ANSWER = {
    "livemode": True,
    "key": "k",
    "fingerprint": b"f" * 32,
    "status": 201,
    "body": b"{}",
}


def refused(constraint, write):
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        write()
    assert refusal.value.__cause__.diag.constraint_name == constraint


def test_the_standard_fees_are_ten_cents_and_a_quarter_of_a_percent(db):
    schedule = FeeSchedule.objects.get()

    assert (schedule.name, schedule.fixed_usd_micros, schedule.basis_points) == (
        "standard",
        100_000,
        25,
    )
    assert str(schedule) == "standard: 0.10 USD + 25 bp"


def test_a_fee_is_at_most_the_amount(db):
    refused(
        "fee_is_at_most_the_amount",
        lambda: FeeSchedule.objects.create(
            name="all of it", fixed_usd_micros=0, basis_points=10_001
        ),
    )
    FeeSchedule.objects.create(name="all", fixed_usd_micros=0, basis_points=10_000)


def test_a_partner_s_name_is_stripped_whoever_saves_it(acme):
    acme.name = "\u202eAc\u200bme  Payroll"
    acme.save()

    acme.refresh_from_db()
    assert acme.name == "Acme Payroll"


def test_a_partner_has_a_name(acme, fee_schedule):
    refused(
        "partner_has_a_name",
        lambda: Partner.objects.create(name="\u200b", fee_schedule=fee_schedule),
    )


def test_a_partner_starts_unapproved_with_no_hosts(fee_schedule):
    partner = Partner.objects.create(name="New", fee_schedule=fee_schedule)

    assert (partner.is_approved, partner.redirect_hosts, partner.frame_hosts) == (False, [], [])
    assert partner.id.version == 7


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("key_digest_is_32_bytes", {"digest": b"d" * 31}),
        ("key_prefix_says_its_mode", {"livemode": True}),
        ("key_prefix_says_its_mode", {"prefix_shown": "tk_test_"}),
        ("key_scopes_are_known", {"scopes": []}),
        ("key_scopes_are_known", {"scopes": ["payouts:write", "everything"]}),
        ("key_has_a_name", {"name": ""}),
    ],
)
def test_a_key_row_that_breaks_a_rule_is_refused(acme, constraint, change):
    refused(constraint, lambda: ApiKey.objects.create(partner=acme, **KEY | change))
    assert not ApiKey.objects.exists()


def test_a_digest_is_kept_once(acme, other):
    ApiKey.objects.create(partner=acme, **KEY)

    refused("key_digest_is_unique", lambda: ApiKey.objects.create(partner=other, **KEY))


def test_a_key_replaces_one_other_and_not_itself(acme):
    first, second, third = (
        ApiKey.objects.create(partner=acme, **KEY | {"digest": bytes([n]) * 32})
        for n in range(3)
    )
    ApiKey.objects.filter(pk=first.pk).update(replaced_by=third)

    refused(
        "key_replaces_one",
        lambda: ApiKey.objects.filter(pk=second.pk).update(replaced_by=third),
    )
    refused(
        "key_replaces_another",
        lambda: ApiKey.objects.filter(pk=second.pk).update(replaced_by=second),
    )


def test_an_end_user_is_seen_once_per_partner_and_mode(acme, other):
    for partner, livemode in ((acme, True), (acme, False), (other, True)):
        EndUser.objects.create(partner=partner, livemode=livemode, external_ref="u")

    refused(
        "end_user_is_seen_once",
        lambda: EndUser.objects.create(partner=acme, livemode=True, external_ref="u"),
    )
    refused(
        "end_user_has_a_reference",
        lambda: EndUser.objects.create(partner=acme, livemode=True, external_ref=""),
    )


@pytest.mark.parametrize("status", [199, 400, 401, 404, 429, 500, 503])
def test_an_answer_that_is_not_the_last_word_is_never_stored(acme, status):
    refused(
        "answer_status_may_be_replayed",
        lambda: StoredAnswer.objects.create(partner=acme, **ANSWER | {"status": status}),
    )


def test_an_answer_is_stored_once_per_partner_and_mode(acme, other):
    StoredAnswer.objects.create(partner=acme, **ANSWER)
    StoredAnswer.objects.create(partner=other, **ANSWER)
    StoredAnswer.objects.create(partner=acme, **ANSWER | {"livemode": False})

    refused(
        "answer_is_stored_once", lambda: StoredAnswer.objects.create(partner=acme, **ANSWER)
    )
    refused(
        "answer_fingerprint_is_32_bytes",
        lambda: StoredAnswer.objects.create(
            partner=acme, **ANSWER | {"key": "other", "fingerprint": b"f"}
        ),
    )


def test_rows_written_by_sql_alone_get_their_moment(acme):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO partners_storedanswer"
            " (partner_id, livemode, key, fingerprint, status, body)"
            " VALUES (%s, true, 'k', %s, 201, '') RETURNING created_at",
            [acme.pk, b"f" * 32],
        )
        assert abs((cursor.fetchone()[0] - timezone.now()).total_seconds()) < 60
