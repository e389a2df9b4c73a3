"""What a request's signature covers, as the published API writes it: pure functions.

    string    = METHOD + PATH + SORTED_QUERY + BODY + TIMESTAMP + NONCE + ORIGIN
    signature = lowercase hex HMAC-SHA256(secret, string)

without separators. PATH has no host and no query. SORTED_QUERY is `k=v` sorted by key and
joined with `&`. The published samples differ in whether it is percent-encoded, so it is
good as it was sent, decoded, and encoded as browsers and Python do: none of them can be
turned into another without the secret.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a request that its signature covers. `query` as it was sent."""

    method: str
    path: str
    query: str
    body: bytes
    timestamp: str
    nonce: str
    origin: str

    def texts(self) -> list[bytes]:
        """What may have been signed: with the query as it was sent, decoded, encoded."""
        pairs = [pair.partition("=") for pair in self.query.split("&") if pair]
        plain = [(unquote_plus(key), sign, unquote_plus(text)) for key, sign, text in pairs]
        encoded = [(quote_plus(key), sign, quote_plus(text)) for key, sign, text in plain]
        queries = dict.fromkeys(_joined(form) for form in (pairs, plain, encoded))
        head = (self.method + self.path).encode()
        tail = (self.timestamp + self.nonce + self.origin).encode()
        return [head + query.encode() + self.body + tail for query in queries]


def _joined(pairs: Iterable[tuple[str, str, str]]) -> str:
    return "&".join("".join(pair) for pair in sorted(pairs, key=itemgetter(0)))


def sign_request(signed: Signed, *, secret: str) -> str:
    """64 hex digits, over the query as it was sent."""
    return hmac.digest(secret.encode(), signed.texts()[0], "sha256").hex()


def is_signature(signed: Signed, signature: str, *, secret: str) -> bool:
    """Whether `secret` has signed exactly this, compared in constant time."""
    # All of them first: which form it was must not show in the time either.
    answers = [
        hmac.compare_digest(hmac.digest(secret.encode(), text, "sha256").hex(), signature)
        for text in signed.texts()
    ]
    return any(answers)
