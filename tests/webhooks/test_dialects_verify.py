"""Whatever is signed verifies with the published package, and nothing else does.

Goal: no receiver that uses `standardwebhooks` refuses a message of ours, or accepts one that
somebody altered by a single bit. Method: sign random messages with random secrets, then flip
every bit of a small one.
"""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from engine.webhooks.dialects.base import dialect_named, new_secret
from engine.webhooks.dialects.signature import sign_with_token
from engine.webhooks.dialects.x_zo import sign_x_zo

SECRETS = st.binary(min_size=24, max_size=64).map(
    lambda key: "whsec_" + base64.b64encode(key).decode()
)
SIGNED = ["standard", "signature"]
BODY = b'{"a":1}'
# What the package raises: its own error, or ValueError when a header has not even the shape.
REFUSALS = (WebhookVerificationError, ValueError)


def sign(dialect, *, message_id="evt_1", body=BODY, secrets, now=None, **options):
    return dialect_named(dialect).headers(
        message_id=message_id,
        event_type="payout.delivered",
        body=body,
        secrets=secrets,
        now=now or datetime.now(UTC),
        is_replay=False,
        **options,
    )


def flipped(raw):
    for place in range(len(raw)):
        for bit in range(8):
            altered = bytearray(raw)
            altered[place] ^= 1 << bit
            yield bytes(altered)


@pytest.mark.parametrize("dialect", SIGNED)
@given(
    message_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    text=st.text(),
    secrets=st.lists(SECRETS, min_size=1, max_size=2),
)
def test_what_is_signed_verifies_under_every_secret_that_signed(
    dialect, message_id, text, secrets
):
    headers = sign(dialect, message_id=message_id, body=text.encode(), secrets=secrets)

    for secret in secrets:
        Webhook(secret).verify(text.encode(), headers, json_parse=False)


@given(key=SECRETS, stranger=SECRETS)
def test_a_stranger_s_secret_does_not_verify(key, stranger):
    headers = sign("standard", secrets=[key])

    if key != stranger:
        with pytest.raises(WebhookVerificationError):
            Webhook(stranger).verify(BODY, headers)


def test_one_flipped_bit_anywhere_in_the_body_is_refused():
    secret = new_secret()
    headers = sign("standard", secrets=[secret])

    for altered in flipped(BODY):
        with pytest.raises(REFUSALS):
            Webhook(secret).verify(altered, headers, json_parse=False)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_one_flipped_bit_anywhere_in_id_or_timestamp_is_refused(name):
    secret = new_secret()
    headers = sign("standard", secrets=[secret])

    for altered in flipped(headers[name].encode()):
        with pytest.raises(REFUSALS):
            Webhook(secret).verify(BODY, headers | {name: altered.decode("latin-1")})


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_moment_more_than_five_minutes_away_is_refused(minutes):
    secret = new_secret()
    now = datetime.now(UTC) + timedelta(minutes=minutes)

    with pytest.raises(WebhookVerificationError, match="timestamp too"):
        Webhook(secret).verify(BODY, sign("standard", secrets=[secret], now=now))


def test_one_flipped_bit_changes_the_signature_of_x_zo():
    secret = "whsec_test"
    good = sign_x_zo(secret=secret, timestamp="1769164241000", body=BODY)
    others = [
        *(sign_x_zo(secret=secret, timestamp="1769164241000", body=b) for b in flipped(BODY)),
        *(
            sign_x_zo(secret=secret, timestamp=moment.decode("latin-1"), body=BODY)
            for moment in flipped(b"1769164241000")
        ),
        *(
            sign_x_zo(secret=text.decode("latin-1"), timestamp="1769164241000", body=BODY)
            for text in flipped(secret.encode())
        ),
    ]

    assert len({good, *others}) == 1 + len(others)


def test_one_flipped_bit_changes_the_signature_of_a_payment():
    good = sign_with_token(token="tk_test_1", body=BODY)
    others = [sign_with_token(token="tk_test_1", body=altered) for altered in flipped(BODY)]

    assert len({good, *others}) == 1 + len(others)
