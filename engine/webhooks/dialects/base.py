"""What a dialect is: the headers that prove a message is ours, and when to try again.

A dialect touches no database and no network. The body is the door's and is signed as it is.
"""

from __future__ import annotations

import base64
import secrets
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from engine.webhooks.dialects.signature import SIGNATURE
from engine.webhooks.dialects.standard import STANDARD
from engine.webhooks.dialects.x_zo import X_ZO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

SECRET_BYTES = 32


class Dialect(Protocol):
    """One way of signing, and one schedule.

    `schedule_seconds[n - 1]` is the wait before attempt n, counted from the end of the one
    before; after the last one the delivery is dead. Each wait is varied by `jitter`, a share
    of it, up and down.
    """

    @property
    def name(self) -> str: ...

    @property
    def schedule_seconds(self) -> tuple[float, ...]: ...

    @property
    def jitter(self) -> float: ...

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
        """Return the headers of one attempt: ids, this moment, signatures.

        `secrets` are the endpoint's texts (``whsec_…``), newest first: one, or two while a
        roll lasts. `now` has a time zone. `token` is the text of the payment's API token,
        for the one dialect that signs with it; the others ignore it.
        """


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {STANDARD.name: STANDARD, X_ZO.name: X_ZO, SIGNATURE.name: SIGNATURE}
)


def dialect_named(name: str) -> Dialect:
    """The dialect an endpoint names. Raises KeyError for a name there never was."""
    return DIALECTS[name]


def delay_before(
    dialect: Dialect, attempt_number: int, *, random: Callable[[], float]
) -> float | None:
    """Seconds to wait before attempt `attempt_number` (the first is 1).

    None when there is no such attempt: the delivery is dead. `random` answers from 0 up to
    but not including 1, as `random.random` does. Raises ValueError below 1.
    """
    if attempt_number < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt_number}")
    if attempt_number > len(dialect.schedule_seconds):
        return None
    seconds = dialect.schedule_seconds[attempt_number - 1]
    return seconds * (1 + dialect.jitter * (2 * random() - 1))


def new_secret() -> str:
    """A new endpoint secret: ``whsec_`` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")
