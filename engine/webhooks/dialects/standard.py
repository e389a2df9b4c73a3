"""Standard Webhooks 1.0.0 (standardwebhooks.com), signed by its published package.

The signature is over id, timestamp and body. While a secret is rolled there are two
signatures in the one header, the newest secret's first, and a receiver accepts either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from standardwebhooks import Webhook

from engine.webhooks.dialects.moments import unix_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MINUTE = 60.0
HOUR = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Standard:
    """See base.Dialect."""

    name: str = "standard"
    # The schedule that the specification suggests: 75 hours and 35 minutes in all.
    schedule_seconds: tuple[float, ...] = (
        0.0,
        5.0,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
    )
    # Many messages that failed in one outage must not all come back in one second.
    jitter: float = 0.2

    def headers(
        self,
        *,
        message_id: str,
        event_type: str,  # noqa: ARG002 - the body says it here
        body: bytes,
        secrets: Sequence[str],
        now: datetime,
        is_replay: bool,  # noqa: ARG002 - the same id says it here
        token: str | None = None,  # noqa: ARG002 - signature.py's alone
    ) -> dict[str, str]:
        """Return the three headers. Raises ValueError without a secret."""
        if not secrets:
            raise ValueError("a message without a secret cannot be signed")
        # The package takes the clock's face for UTC whatever zone it shows.
        moment = now.astimezone(UTC)
        text = body.decode("utf-8")
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(unix_seconds(now)),
            "webhook-signature": " ".join(
                Webhook(secret).sign(message_id, moment, text) for secret in secrets
            ),
        }


STANDARD = Standard()
