"""One HTTP request with a batch of JSON-RPC calls, and what may come back instead."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from secrets import randbelow
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import orjson
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from urllib3.exceptions import HTTPError
from web3 import HTTPProvider

from engine.rails.plain_http import PlainSession, what_went_wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_BYTES_MAX = 64 * 1024 * 1024
# JavaScript's nodes would lose larger ones.
FIRST_ID_MAX = 2**48
WORDS_MAX = 300
QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
SECRET_CHARACTERS = 8
# A node too busy to answer says so in the place of an answer: it was not asked at all.
# Alchemy uses the HTTP code, Infura -32005, QuickNode -32007, so the words decide.
BUSY_CODE = 429
BUSY = re.compile(
    r"rate.?limit|too many requests|request limit|request count exceeded|compute units",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC call. `params` are what goes over the wire: hex strings, not numbers."""

    method: str
    params: list[Any] = field(default_factory=list)


class RpcRefused(Exception):
    """A node's own error for one call: returned in the place of a result, not raised."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


Answer = Any | RpcRefused


def quantity(answer: object) -> int | None:
    """A number as JSON-RPC writes it, "0x1f"; None for whatever else a node may say."""
    if not isinstance(answer, str) or not QUANTITY.fullmatch(answer):
        return None
    return int(answer, 16)


class NotAnswered(Exception):
    """What came back is not one answer for each call. Its text ends a sentence."""


class Post:
    """Sends batches to one address. Threads may share it, processes may not."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name, self._secrets = name_and_secrets(url)
        self._session = PlainSession(body_bytes_max=ANSWER_BYTES_MAX)

    def __call__(self, batch: Sequence[Call]) -> tuple[list[Answer], str]:
        """Returns the answers in order and nothing, or none and what went wrong."""
        seconds = settings.RPC_TIMEOUT_SECONDS
        provider = _Batch(
            self._url,
            request_kwargs={"timeout": seconds},
            session=self._session,
            # Each batch is asked once: who comes next is the chain's business.
            exception_retry_configuration=None,
        )
        try:
            found = provider.make_batch_request([(call.method, call.params) for call in batch])  # type: ignore[misc]
            return [self._answer(one) for one in found], ""
        except NotAnswered as error:
            return [], self._without_secrets(str(error))
        except (OSError, HTTPError, ValueError) as error:
            return [], what_went_wrong(error, seconds=seconds)

    def _answer(self, one: Any) -> Answer:
        error = one.get("error")
        if error is None:
            return one["result"]
        refused = refusal(error)
        words = self._without_secrets(refused.message)
        refused = RpcRefused(refused.code, words, refused.data)
        if refused.code == BUSY_CODE or BUSY.search(refused.message):
            raise NotAnswered(f"is too busy: {refused.message}")
        return refused

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


class _Batch(HTTPProvider):
    """web3's provider for one batch, that knows which ids it sent.

    web3 numbers calls from `request_counter` and sorts answers by id, whatever those are.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ids: set[int] = set()

    def encode_batch_rpc_request(self, requests: list[tuple[Any, Any]]) -> bytes:
        calls = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(requests, randbelow(FIRST_ID_MAX))
        ]
        self._ids = {call["id"] for call in calls}
        return orjson.dumps(calls)

    # web3 declares it static; here an answer is judged by what was asked.
    def decode_rpc_response(self, raw_response: bytes) -> Any:  # type: ignore[override]
        """The answers, exactly one for each call. Raises NotAnswered."""
        try:
            answers = orjson.loads(raw_response)
        except orjson.JSONDecodeError:
            raise NotAnswered("answered something that is not JSON") from None
        if isinstance(answers, dict) and answers.get("error") is not None:
            raise NotAnswered(f"refused the whole batch: {refusal(answers['error'])}")
        if not isinstance(answers, list) or not all(map(_is_answer, answers)):
            raise NotAnswered("answered something that is not JSON-RPC")
        if {one.get("id") for one in answers} != self._ids or len(answers) != len(self._ids):
            # geth answers a batch that is too large with one error, in a list.
            words = [str(refusal(one["error"])) for one in answers[:1] if one.get("error")]
            counted = f"gave {len(answers)} answers, not one to each of {len(self._ids)} calls"
            raise NotAnswered(": ".join([counted, *words]))
        return answers


def _is_answer(one: Any) -> bool:
    if not isinstance(one, dict):
        return False
    is_refused = one.get("error") is not None
    # A boolean is no id of ours although True equals 1; None is for what a node misread.
    is_ours = type(one.get("id")) is int or (is_refused and one.get("id") is None)
    return is_ours and (is_refused or "result" in one)


def refusal(error: Any) -> RpcRefused:
    """A JSON-RPC error object, whatever shape a node gave it."""
    if not isinstance(error, dict):
        return RpcRefused(0, str(error)[:WORDS_MAX])
    code, message = error.get("code"), error.get("message")
    return RpcRefused(
        code if type(code) is int else 0, str(message)[:WORDS_MAX], error.get("data")
    )


def name_and_secrets(url: str) -> tuple[str, list[str]]:
    """What of an address may be shown, and the parts of it that must not be.

    Raises ImproperlyConfigured, without the address, when it is none.
    """
    parts = _split(url)
    if parts is None:
        raise ImproperlyConfigured("An RPC_URL is not an http or https address.")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    hidden = re.split(r"[/?&=;]", f"{parts.path}?{parts.query}")
    hidden += [parts.username or "", parts.password or ""]
    secrets = sorted({one for one in hidden if len(one) >= SECRET_CHARACTERS}, key=len)
    return f"{parts.scheme}://{host}{port}", secrets[::-1]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_whole else None
