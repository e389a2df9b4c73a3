"""X-Zo: the headers of the disbursements API.

`X-Zo-Signature` is lowercase hex HMAC-SHA256, keyed with the secret's own text (``whsec_``
included), over the timestamp in milliseconds, a dot, and the body. The id is not signed.

It has room for one signature. While a secret is rolled the new one signs it, and the old
one signs `X-Zo-Signature-Previous`, a header of ours that is absent at all other times.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.webhooks.dialects.moments import unix_milliseconds
from engine.webhooks.dialects.standard import HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

SIGNATURE_HEADERS = ("X-Zo-Signature", "X-Zo-Signature-Previous")


@dataclass(frozen=True, slots=True)
class XZo:
    """See base.Dialect."""

    name: str = "x_zo"
    schedule_seconds: tuple[float, ...] = (
        0.0,
        MINUTE,
        5 * MINUTE,
        15 * MINUTE,
        HOUR,
        6 * HOUR,
    )
    # The published waits are exact.
    jitter: float = 0.0

    def headers(
        self,
        *,
        message_id: str,
        event_type: str,
        body: bytes,
        secrets: Sequence[str],
        now: datetime,
        is_replay: bool,
        token: str | None = None,  # noqa: ARG002 - signature.py's alone
    ) -> dict[str, str]:
        """Return the four headers, or more. Raises ValueError with no or three secrets."""
        if not 1 <= len(secrets) <= len(SIGNATURE_HEADERS):
            raise ValueError(f"one or two secrets sign, not {len(secrets)}")
        timestamp = str(unix_milliseconds(now))
        headers = {
            "X-Zo-Event": event_type,
            "X-Zo-Delivery-Id": message_id,
            "X-Zo-Timestamp": timestamp,
        }
        for header, secret in zip(SIGNATURE_HEADERS, secrets, strict=False):
            headers[header] = sign_x_zo(secret=secret, timestamp=timestamp, body=body)
        if is_replay:
            headers["X-Zo-Replay"] = "true"
        return headers


def sign_x_zo(*, secret: str, timestamp: str, body: bytes) -> str:
    """Return 64 hex digits: HMAC-SHA256 over ``<timestamp>.<body>``."""
    signed = timestamp.encode() + b"." + body
    return hmac.digest(secret.encode(), signed, "sha256").hex()


X_ZO = XZo()
