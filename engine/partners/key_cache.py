"""Keys looked up a moment ago, so that most requests cost no query.

In process, by digest, for at most KEY_CACHE_SECONDS: that is also how long a revoked key
may still be believed. Keys that do not exist are not remembered, so a new one works at
once and a flood of junk cannot push the real ones out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Network, IPv6Network
    from uuid import UUID

KEYS_MAX = 10_000
# Security's promise; a setting may tighten it, not loosen it.
SECONDS_MAX = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: a partner, in one mode, with one key. `request.user` in our API."""

    partner_id: UUID
    partner_name: str
    livemode: bool
    key_id: int
    scopes: frozenset[str]
    is_approved: bool
    fee_schedule_id: int

    @property
    def is_authenticated(self) -> bool:
        """Say yes to whoever asks a user, as DRF does."""
        return True


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was not revoked when it was read.

    `expires_at` is in seconds since the epoch, infinite for a key that does not expire;
    no `networks` means anywhere.
    """

    caller: Caller
    expires_at: float
    networks: tuple[IPv4Network | IPv6Network, ...]


_lock = Lock()
# The oldest first, since a key is taken out before it is put in again.
_known: OrderedDict[bytes, tuple[float, KnownKey]] = OrderedDict()


def known_key(digest: bytes, *, look_up: Callable[[bytes], KnownKey | None]) -> KnownKey | None:
    """Return the key of that digest, from memory if it was read just now."""
    now = monotonic()
    entry = _known.get(digest)
    if entry is not None and now < entry[0]:
        return entry[1]
    known = look_up(digest)
    with _lock:
        _known.pop(digest, None)
        if known is not None:
            # Counted from before the query: a slow one must not lengthen the belief.
            _known[digest] = now + min(settings.KEY_CACHE_SECONDS, SECONDS_MAX), known
            if len(_known) > KEYS_MAX:
                _known.popitem(last=False)
    return known


def forget_keys() -> None:
    """Ask the database again from here on."""
    with _lock:
        _known.clear()
