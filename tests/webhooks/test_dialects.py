"""Each dialect signs as its documentation says, to the last hex digit, and waits as it says."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.webhooks.dialects.base import DIALECTS, delay_before, dialect_named, new_secret

AT = datetime(2026, 1, 23, 10, 30, 41, 7_999, tzinfo=UTC)
BODY = '{"type":"payout.delivered","data":{"label":"Zoë · 日本"}}'.encode()
NEW, OLD = "whsec_" + "bmV3" * 11, "whsec_" + "b2xk" * 11
HOUR = 3600


def sign(dialect, *, secrets=(NEW,), body=BODY, now=AT, is_replay=False, **options):
    return dialect_named(dialect).headers(
        message_id="evt_1",
        event_type="payout.delivered",
        body=body,
        secrets=secrets,
        now=now,
        is_replay=is_replay,
        **options,
    )


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_knows_its_name(name):
    assert dialect_named(name).name == name


def test_there_is_no_other_dialect():
    assert list(DIALECTS) == ["standard", "x_zo", "signature"]
    with pytest.raises(KeyError):
        dialect_named("morse")


# --- Standard Webhooks -----------------------------------------------------------


def test_standard_signs_as_the_specification_s_own_example():
    headers = dialect_named("standard").headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        event_type="test",
        body=b'{"test": 2432232314}',
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        now=datetime.fromtimestamp(1614265330, UTC),
        is_replay=False,
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_standard_signs_with_both_secrets_of_a_roll_the_newest_first():
    both = sign("standard", secrets=[NEW, OLD])["webhook-signature"].split(" ")

    assert both == [
        sign("standard", secrets=[NEW])["webhook-signature"],
        sign("standard", secrets=[OLD])["webhook-signature"],
    ]
    assert both[0] != both[1]


@pytest.mark.parametrize("hours", [-8, 5.5, 14])
@pytest.mark.parametrize("name", DIALECTS)
def test_a_moment_is_the_same_in_every_time_zone(name, hours):
    elsewhere = AT.astimezone(timezone(timedelta(hours=hours)))

    assert sign(name, now=elsewhere) == sign(name)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_moment_without_a_time_zone_is_refused(name):
    with pytest.raises(TypeError):
        sign(name, now=AT.replace(tzinfo=None))


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_goes_out_unsigned(name):
    with pytest.raises(ValueError, match="secret"):
        sign(name, secrets=[])


# --- X-Zo ------------------------------------------------------------------------


def test_x_zo_signs_as_the_contract_s_vector():
    headers = dialect_named("x_zo").headers(
        message_id="evt_1",
        event_type="payout.completed",
        body=b'{"event":"payout.completed","data":{"payout_id":"p-1"},"timestamp":"2026-01-18T23:30:00.000Z"}',
        secrets=["whsec_test"],
        now=datetime.fromtimestamp(1769164241, UTC),
        is_replay=False,
    )

    assert headers == {
        "X-Zo-Event": "payout.completed",
        "X-Zo-Delivery-Id": "evt_1",
        "X-Zo-Timestamp": "1769164241000",
        "X-Zo-Signature": "c1e2548fbdc994a3b98ff955a784ead8c96c78f04aaf4199244e51b64f15ed1d",
    }


def test_x_zo_says_when_it_was_sent_again_by_hand():
    replay = sign("x_zo", is_replay=True)

    assert replay == sign("x_zo") | {"X-Zo-Replay": "true"}


def test_x_zo_signs_with_the_old_secret_of_a_roll_in_a_header_of_its_own():
    both = sign("x_zo", secrets=[NEW, OLD])

    assert both == sign("x_zo", secrets=[NEW]) | {
        "X-Zo-Signature-Previous": sign("x_zo", secrets=[OLD])["X-Zo-Signature"]
    }


def test_x_zo_has_no_room_for_a_third_secret():
    with pytest.raises(ValueError, match="not 3"):
        sign("x_zo", secrets=[NEW, OLD, OLD])


def test_x_zo_counts_milliseconds_without_floats():
    # 1769164241.001 * 1000 and its like are where a float goes wrong.
    for milliseconds in range(1000):
        headers = sign("x_zo", now=AT.replace(microsecond=milliseconds * 1000))

        assert headers["X-Zo-Timestamp"] == f"1769164241{milliseconds:03d}"


# --- Payments --------------------------------------------------------------------


def test_signature_is_keyed_with_the_token_s_own_text():
    headers = sign("signature", body=b'{"id":"pay_1","status":"succeeded"}', token="tk_test_1")

    # What `openssl dgst -sha256 -hmac tk_test_1` says of the same bytes.
    assert (
        headers["Signature"]
        == "12052ef8d6df95e581ff0f66e9a9f0a09426c3e1f2bd1abf92650d94da567fcf"
    )


def test_signature_stands_beside_standard_webhooks():
    headers = sign("signature", secrets=[NEW, OLD], token="tk_live_1")

    assert headers.pop("Signature")
    assert headers == sign("standard", secrets=[NEW, OLD])


def test_without_a_token_there_is_no_signature_to_trust():
    assert sign("signature") == sign("standard")


@pytest.mark.parametrize("name", ["standard", "x_zo"])
def test_no_other_dialect_shows_what_the_token_is(name):
    assert sign(name, token="tk_live_1") == sign(name)


# --- Schedules -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["standard", "signature"])
def test_standard_waits_are_the_contract_s(name):
    waits = dialect_named(name).schedule_seconds

    assert waits == (0, 5, 300, 1800, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24)))
    assert sum(waits) == 75 * HOUR + 35 * 60 + 5


def test_x_zo_waits_are_the_contract_s():
    assert dialect_named("x_zo").schedule_seconds == (0, 60, 300, 900, HOUR, 6 * HOUR)


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.8), (0.5, 1.0), (0.75, 1.1)])
def test_waits_vary_by_a_fifth_both_ways(drawn, share):
    standard = dialect_named("standard")
    waits = [delay_before(standard, number, random=lambda: drawn) for number in range(1, 11)]

    assert waits == pytest.approx([wait * share for wait in standard.schedule_seconds])


def test_x_zo_waits_do_not_vary():
    assert delay_before(dialect_named("x_zo"), 2, random=lambda: 0.99) == 60


@pytest.mark.parametrize(("name", "last"), [("standard", 10), ("x_zo", 6), ("signature", 10)])
def test_after_the_last_attempt_there_is_none(name, last):
    dialect = dialect_named(name)

    assert delay_before(dialect, 1, random=lambda: 0.99) == 0
    assert delay_before(dialect, last, random=lambda: 0.5) == dialect.schedule_seconds[-1]
    assert delay_before(dialect, last + 1, random=lambda: 0.5) is None


def test_attempts_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        delay_before(dialect_named("standard"), 0, random=lambda: 0.5)


# --- Secrets ---------------------------------------------------------------------


def test_a_new_secret_is_32_random_bytes():
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    for secret in secrets:
        prefix, _, text = secret.partition("_")
        assert (prefix, len(base64.b64decode(text, validate=True))) == ("whsec", 32)
