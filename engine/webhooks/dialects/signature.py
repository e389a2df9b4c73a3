"""The dialect of payments: a `Signature` made with the API token, beside Standard Webhooks.

`Signature` is lowercase hex HMAC-SHA256 over the raw body, keyed with the token's own text
(``tk_…``). It covers no timestamp, so it alone cannot tell an old message sent again by
somebody else; the Standard Webhooks headers beside it, under the endpoint's secret, can. A
partner who has registered no endpoint knows no such secret, and gets `Signature` alone.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.webhooks.dialects.standard import STANDARD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Signature:
    """See base.Dialect."""

    name: str = "signature"
    schedule_seconds: tuple[float, ...] = STANDARD.schedule_seconds
    jitter: float = STANDARD.jitter

    def headers(
        self,
        *,
        message_id: str,
        event_type: str,
        body: bytes,
        secrets: Sequence[str],
        now: datetime,
        is_replay: bool,
        token: str | None = None,
    ) -> dict[str, str]:
        """Return the Standard Webhooks headers, and `Signature` where there is a token.

        A message that belongs to no token, such as a test, goes without. Raises ValueError
        when there is neither a secret nor a token.
        """
        if token is not None and not secrets:
            return {"Signature": sign_with_token(token=token, body=body)}
        headers = STANDARD.headers(
            message_id=message_id,
            event_type=event_type,
            body=body,
            secrets=secrets,
            now=now,
            is_replay=is_replay,
        )
        if token is not None:
            headers["Signature"] = sign_with_token(token=token, body=body)
        return headers


def sign_with_token(*, token: str, body: bytes) -> str:
    """Return 64 hex digits: HMAC-SHA256 over the body."""
    return hmac.digest(token.encode(), body, "sha256").hex()


SIGNATURE = Signature()
