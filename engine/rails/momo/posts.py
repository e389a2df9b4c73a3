"""Handing transfers over: claimed one by one, posted together, judged by what came back.

What an answer to a POST can mean, by the API's own list of errors: 202 and 409
RESOURCE_ALREADY_EXIST say that the operator has it; any other 4xx that it took nothing,
because the request never got that far; everything else says nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from engine.rails.momo import breaker
from engine.rails.momo.accounts import clients_of
from engine.rails.momo.answers import SERVER_ERROR, body_of
from engine.rails.momo.asking import THREADS, ask_together
from engine.rails.momo.client import Answer, Client, Silence
from engine.rails.momo.sends import claim_posts, undo_posts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.rails.models import MomoSend

    Ask = Callable[[Client], Answer]

logger = structlog.get_logger(__name__)

ACCEPTED, CONFLICT = 202, 409
ALREADY = "RESOURCE_ALREADY_EXIST"
CLIENT_ERROR = 400
# Of these a gateway may have passed the request on before it gave up.
UNSURE = frozenset({408, 409, 425})
# These are about us and the hour, not about the transfer: the same one may go later.
LATER = frozenset({401, 403, 404, 405, 429})
# No POST begins later than this after the first: whoever leased the payouts has to end.
SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a POST. `refused` is why the operator will never take this one."""

    accepted: bool | None
    said: str
    never_left: bool = False
    refused: str = ""
    is_bad: bool = False
    # None when no answer came.
    seconds: float | None = None

    @property
    def took_nothing(self) -> bool:
        return self.never_left or self.accepted is False


def post_all(sends: Sequence[MomoSend]) -> dict[int, Told]:
    """POST each that may be, a few at a time, while there is time. Others are left out."""
    began = monotonic()
    told: dict[int, Told] = {}
    clients = clients_of(send.credentials for send in sends)
    sends = [send for send in sends if send.credentials_id in clients]
    for start in range(0, len(sends), THREADS):
        if monotonic() - began > SECONDS_MAX:
            break
        some = sends[start : start + THREADS]
        claimed = claim_posts(some)
        mine = [send for send in some if send.pk in claimed]
        if not mine:
            continue
        answers = ask_together(
            {send.pk: (clients[send.credentials_id], _transfer(send)) for send in mine}
        )
        news = {key: _read(answer) for key, answer in answers.items()}
        undo_posts({key: one.refused for key, one in news.items() if one.took_nothing})
        _note_health(mine, news)
        told |= news
    return told


def _transfer(send: MomoSend) -> Ask:
    callback_url = ""
    if send.account.callback_url:
        path = f"{send.account.callback_token}/{send.reference}"
        callback_url = f"{send.account.callback_url}/{path}"
    reference, body = str(send.reference), body_of(send)
    return lambda client: client.transfer(
        reference=reference, body=body, callback_url=callback_url
    )


def _read(answer: Answer | Silence) -> Told:
    if isinstance(answer, Silence):
        return Told(None, answer.message, never_left=not answer.left, is_bad=True)
    said = f"HTTP {answer.status} {answer.code}".strip()
    if answer.status == ACCEPTED or (answer.status == CONFLICT and answer.code == ALREADY):
        is_slow = answer.seconds > breaker.SLOW_SECONDS
        return Told(True, said, is_bad=is_slow, seconds=answer.seconds)
    if CLIENT_ERROR <= answer.status < SERVER_ERROR and answer.status not in UNSURE:
        refused = "" if answer.status in LATER else said
        log = logger.error if refused else logger.warning
        log("momo_transfer_refused", said=said)
        # Refused whatever it is: the operator is as good as down until that is put right.
        return Told(False, said, refused=refused, is_bad=not refused, seconds=answer.seconds)
    return Told(None, said, is_bad=True, seconds=answer.seconds)


def _note_health(sends: Iterable[MomoSend], told: dict[int, Told]) -> None:
    by_place: dict[tuple[str, str], list[Told]] = {}
    for send in sends:
        place = (send.account.network, send.account.country)
        by_place.setdefault(place, []).append(told[send.pk])
    for (network, country), calls in by_place.items():
        bad = [one for one in calls if one.is_bad]
        breaker.note_calls(
            network=network,
            country=country,
            good=len(calls) - len(bad),
            bad=len(bad),
            why=_why(bad[-1]) if bad else "",
            seconds=[one.seconds for one in calls if one.seconds is not None],
        )


def _why(bad: Told) -> str:
    """What was wrong with it, for a person."""
    slow = f", after {bad.seconds:.0f} s" if bad.accepted and bad.seconds else ""
    return f"a transfer: {bad.said}{slow}"
