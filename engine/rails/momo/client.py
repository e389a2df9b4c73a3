"""MTN's Disbursement API over HTTP: one call, one answer, and how sure we are of it.

Facts about the API, from MTN's own pages (momodeveloper.mtn.com/api-documentation): a
token from POST /disbursement/token/ with Basic credentials lasts an hour; every call has
Ocp-Apim-Subscription-Key and X-Target-Environment; 202 to a transfer means taken and not
paid; 409 RESOURCE_ALREADY_EXIST that the reference is known. MTN's next platform,
momoapi.momo.africa, wants X-Target-Environment for tokens too and answers 403 to a
User-Agent that says python-requests (found by the author of momo-openapi on PyPI).
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any

import orjson
import requests
from django.conf import settings
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from engine.rails.plain_http import PlainSession, what_went_wrong

ANSWER_BYTES_MAX = 256 * 1024
TOKEN_MARGIN_SECONDS = 600.0
TOKEN_SECONDS_MAX = 10.0
# Who got no token asks for none for so long.
PAUSE_SECONDS = 1.0
UNAUTHORIZED = 401
OK = 200


@dataclass(frozen=True, slots=True)
class Platform:
    """Where an account is, and as whom we come. Shows no secret when printed."""

    base_url: str
    target_environment: str
    api_user: str
    user_agent: str
    api_key: str = field(repr=False)
    subscription_key: str = field(repr=False)

    @property
    def name(self) -> str:
        """What a token is kept under."""
        secret = f"{self.api_key}\0{self.subscription_key}".encode()
        return f"{self.base_url}\0{self.api_user}\0{sha256(secret).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `body` is its JSON object, or empty when it was none."""

    status: int
    body: dict[str, Any]
    seconds: float = 0.0

    @property
    def code(self) -> str:
        """MTN's word for an error, where it has one."""
        return str(self.body.get("code") or self.body.get("error") or "")


class Silence(Exception):
    """No answer came. `left` is false when the request certainly never left this house."""

    def __init__(self, message: str, *, left: bool, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.message = message
        self.left = left
        self.seconds = seconds


class _Session(PlainSession):
    """Every status says something here: 404 and 409 are answers like another."""

    statuses = range(200, 600)


_sessions: dict[int, _Session] = {}
_tokens: dict[str, tuple[str, float]] = {}
_without: dict[str, tuple[str, float]] = {}
_lock = Lock()
# One asks for a token, the others wait for it.
_turns: defaultdict[str, Lock] = defaultdict(Lock)


def _session() -> _Session:
    """This process's own; a forked child must not share its parent's connections."""
    with _lock:
        key = os.getpid()
        if key not in _sessions:
            _sessions.clear()
            _sessions[key] = _Session(body_bytes_max=ANSWER_BYTES_MAX)
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=32)
            for scheme in ("https://", "http://"):
                _sessions[key].mount(scheme, adapter)
        return _sessions[key]


def forget_tokens() -> None:
    """Ask for new tokens, and on new connections."""
    with _lock:
        _tokens.clear()
        _without.clear()
        _sessions.clear()


class Client:
    """One account's calls. Threads may share it. Every call raises Silence or answers."""

    def __init__(self, platform: Platform, *, seconds: float | None = None) -> None:
        self.platform = platform
        self.seconds = seconds or settings.MOMO_TIMEOUT_SECONDS

    def transfer(self, *, reference: str, body: dict[str, Any], callback_url: str) -> Answer:
        """Hand one transfer over, once."""
        headers = {"X-Reference-Id": reference, "Content-Type": "application/json"}
        if callback_url:
            headers["X-Callback-Url"] = callback_url
        return self._ask("POST", "/disbursement/v1_0/transfer", headers, orjson.dumps(body))

    def status(self, reference: str) -> Answer:
        """What became of a transfer of ours."""
        return self._ask("GET", f"/disbursement/v1_0/transfer/{reference}")

    def is_active(self, msisdn: str) -> Answer:
        """Whether a number has an account: `{"result": true}`. Digits, without the plus."""
        return self._ask("GET", f"/disbursement/v1_0/accountholder/msisdn/{msisdn}/active")

    def basic_info(self, msisdn: str) -> Answer:
        """Who holds the account of a number: `given_name`, `family_name` and others."""
        return self._ask(
            "GET", f"/disbursement/v1_0/accountholder/msisdn/{msisdn}/basicuserinfo"
        )

    def balance(self) -> Answer:
        """What is left: `{"availableBalance": "100", "currency": "XAF"}`."""
        return self._ask("GET", "/disbursement/v1_0/account/balance")

    def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        token = self._token()
        headers = {"Authorization": f"Bearer {token}"} | (headers or {})
        answer = self._call(method, path, headers, body, seconds=self.seconds)
        if answer.status == UNAUTHORIZED:
            with _lock:
                if _tokens.get(self.platform.name, ("", 0.0))[0] == token:
                    del _tokens[self.platform.name]
        return answer

    def _token(self) -> str:
        """A token that is good for ten minutes more. Raises Silence: nothing was asked.

        Those who waited while somebody else got none do not each try for themselves.
        """
        name = self.platform.name
        with _lock:
            turn = _turns[name]
        with turn:
            with _lock:
                kept, good_until = _tokens.get(name, ("", 0.0))
                why, until = _without.get(name, ("", 0.0))
            if kept and monotonic() < good_until:
                return kept
            if monotonic() < until:
                raise Silence(why, left=False)
            try:
                return self._new_token()
            except Silence as silence:
                with _lock:
                    _without[name] = (silence.message, monotonic() + PAUSE_SECONDS)
                raise

    def _new_token(self) -> str:
        pair = f"{self.platform.api_user}:{self.platform.api_key}".encode()
        basic = {"Authorization": f"Basic {b64encode(pair).decode()}"}
        seconds = min(self.seconds, TOKEN_SECONDS_MAX)
        try:
            answer = self._call("POST", "/disbursement/token/", basic, seconds=seconds)
        except Silence as silence:
            raise Silence(silence.message, left=False, seconds=silence.seconds) from None
        token = answer.body.get("access_token")
        if answer.status != OK or not isinstance(token, str) or not token.isascii():
            raise Silence(f"gives us no token (HTTP {answer.status})", left=False)
        lasts = answer.body.get("expires_in")
        life = float(lasts) if isinstance(lasts, int | float) else 0.0
        # One that lasts no longer than the margin is used for half of its life.
        usable = max(life - TOKEN_MARGIN_SECONDS, life / 2)
        with _lock:
            _tokens[self.platform.name] = (token, monotonic() + usable)
        return token

    def _call(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        seconds: float,
    ) -> Answer:
        began = monotonic()
        try:
            response = _session().request(
                method,
                self.platform.base_url + path,
                data=body,
                timeout=seconds,
                headers={
                    "User-Agent": self.platform.user_agent,
                    "Ocp-Apim-Subscription-Key": self.platform.subscription_key,
                    "X-Target-Environment": self.platform.target_environment,
                    "Accept": "application/json",
                }
                | headers,
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            silence = Silence(
                what_went_wrong(error, seconds=seconds),
                left=not _never_left(error),
                seconds=monotonic() - began,
            )
        else:
            return Answer(response.status_code, _json(response), monotonic() - began)
        # Outside the except block: what was caught holds the headers.
        raise silence


def _never_left(error: Exception) -> bool:
    """Whether no connection was made, so that nothing can have been said over it."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
