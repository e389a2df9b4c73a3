"""What every endpoint of Connect does: know the caller, count the call, answer once.

The stack is short on purpose (performance.md): no permission, throttle or versioning
classes, each of which DRF would make anew for every call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from django.conf import settings
from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable
from rest_framework.response import Response

from engine.common.api import PROBLEM_TYPE, problem
from engine.common.errors import RequestRefused
from engine.common.forms import FormView
from engine.common.limits import RateLimit
from engine.partners import answers
from engine.partners.authentication import require_scope
from engine.partners.errors import IdempotencyConflict, IdempotencyInProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rest_framework.request import Request

    from engine.partners.key_cache import Caller
    from engine.partners.models import StoredAnswer

RATE_LIMIT = RateLimit()
ERRORS_FROM = 400


class Endpoint(FormView):
    """One address of the API.

    `scopes` names the scope each method needs. `keyed` are the methods that honour an
    Idempotency-Key; where `is_key_required`, a live key must send one.
    """

    scopes: ClassVar[Mapping[str, str]] = {}
    keyed: ClassVar[frozenset[str]] = frozenset()
    is_key_required: ClassVar[bool] = False

    # DRF would answer OPTIONS with a description; ours is the OpenAPI document.
    http_method_names: Sequence[str] = ("get", "head", "post")
    format_kwarg: str | None = None
    caller: Caller
    key: str | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - DRF's signature
        """Run what comes before the handler, in the order the contract promises.

        A missing or malformed Idempotency-Key is told before the API key is looked at.
        """
        renderer = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = renderer
        method = request.method or ""
        if method in self.keyed:
            self.key = self._read_key(request)
        self.caller = request.auth  # type: ignore[assignment] # see ApiKeyAuthentication
        self.allowance = RATE_LIMIT.count(
            self.caller.key_id, per_minute=settings.RATE_LIMIT_PER_MINUTE
        )
        self.allowance.check()
        # HEAD runs the handler of GET, so it needs what GET needs.
        self.admit("GET" if method == "HEAD" else method)

    def admit(self, method: str) -> None:
        """Refuse a caller who may not be here. Raises Forbidden."""
        if method in self.scopes:
            require_scope(self.caller, self.scopes[method])

    def handle_exception(self, exc: Exception) -> Response:
        """Tell a caller whose first request still holds the lock that it does."""
        is_locked = isinstance(exc, OperationalError) and isinstance(
            exc.__cause__, LockNotAvailable
        )
        if is_locked and self.key is not None:
            exc = IdempotencyInProgress()
        return super().handle_exception(exc)

    def answer_once(self, work: Callable[[], Any], *, status: int = 201) -> Response:
        """Do the work and answer it, or repeat the answer this Idempotency-Key had.

        The work and its answer are committed together. What the work refuses is kept
        too, where the contract says that a refusal is the last word on its key.
        """
        if self.key is None:
            with transaction.atomic():
                return Response(work(), status=status)
        given = answers.stored(**self._name_of_answer())
        if given is not None:
            return self._replay(given)
        try:
            with transaction.atomic():
                body = orjson.dumps(work())
                standing = self.keep(status, body)
                is_ours = standing.body == body
                # Where another call with this key was faster, ours leaves no trace.
                transaction.set_rollback(not is_ours)
        except RequestRefused as refusal:
            return self.refuse(refusal)
        return Response(body, status=status) if is_ours else self._replay(standing)

    def refuse(self, refusal: RequestRefused) -> Response:
        """Answer with a refusal, kept under the Idempotency-Key where it may be.

        Raises the refusal itself where it may not.
        """
        is_last_word = not refusal.retryable and not isinstance(refusal, IdempotencyConflict)
        if (
            self.key is None
            or not is_last_word
            or not answers.may_be_stored(refusal.http_status)
        ):
            raise refusal
        body = orjson.dumps(problem(refusal, self.request._request))
        standing = self.keep(refusal.http_status, body)
        if standing.body != body:
            return self._replay(standing)
        return Response(
            body,
            status=refusal.http_status,
            headers=refusal.headers,
            content_type=PROBLEM_TYPE,
        )

    def keep(self, status: int, body: bytes) -> StoredAnswer:
        """Store an answer under this call's key; returns the one that stands there."""
        standing = answers.store(**self._name_of_answer(), status=status, body=body)
        standing.body = bytes(standing.body)
        return standing

    def fingerprint(self) -> bytes:
        """What makes two requests under one Idempotency-Key the same request."""
        request = self.request
        return answers.fingerprint(request.method or "", request.path, request.data)

    def _name_of_answer(self) -> dict[str, Any]:
        return {
            "partner_id": self.caller.partner_id,
            "livemode": self.caller.livemode,
            "key": self.key,
            "fingerprint": self.fingerprint(),
        }

    def _replay(self, answer: StoredAnswer) -> Response:
        return replay(answer.status, bytes(answer.body))

    def _read_key(self, request: Request) -> str | None:
        meta = request._request.META
        is_live = answers.is_live_key_text(meta.get("HTTP_AUTHORIZATION", ""))
        return answers.read_key(
            meta.get("HTTP_IDEMPOTENCY_KEY"), required=self.is_key_required and is_live
        )


def replay(status: int, body: bytes) -> Response:
    """An answer that was given before, byte for byte."""
    return Response(
        body,
        status=status,
        headers={"Idempotent-Replayed": "true"},
        content_type=PROBLEM_TYPE if status >= ERRORS_FROM else None,
    )
