"""The API itself: each call, and the published body of each of its refusals."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from engine.rails.mtn_simulator.behaviour import CURRENCIES, INACTIVE
from engine.rails.mtn_simulator.state import ApiUser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.rails.mtn_simulator.callbacks import Callbacks
    from engine.rails.mtn_simulator.state import State

NOTE_CHARACTERS_MAX = 160
UUID_VERSION = 4
# MTN refuses what its gateway takes for an attack.
ODD_CHARACTERS = re.compile(r"['\"<>;]")
MSISDN = re.compile(r"[1-9][0-9]{5,14}\Z")
HOLDER = re.compile(
    r"/disbursement/v1_0/accountholder/(?i:msisdn)/([^/]+)/(active|basicuserinfo)\Z"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. `is_lost`: nothing, after `hang_seconds`."""

    status: int
    body: Any = None
    is_lost: bool = False
    hang_seconds: float = 0.0


def refusal(status: HTTPStatus, code: str, message: str) -> Reply:
    return Reply(status, {"code": code, "message": message})


NOT_FOUND = refusal(
    HTTPStatus.NOT_FOUND, "RESOURCE_NOT_FOUND", "Requested resource was not found."
)
BROKEN = refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "INTERNAL_PROCESSING_ERROR",
    "An internal error occurred while processing.",
)
DOWN = refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "Service temporarily unavailable."
)


class Calls:
    """Answers requests. Threads share it."""

    def __init__(self, state: State, callbacks: Callbacks) -> None:
        self.state = state
        self.callbacks = callbacks

    def answer(self, request: Request) -> Reply:
        """Answer one request as MTN would, unless told to misbehave."""
        if request.path.startswith("/_simulator/"):
            return self._own(request)
        key = request.headers.get("ocp-apim-subscription-key", "")
        is_provisioning = request.path.startswith("/v1_0/apiuser")
        stopped = self._gateway(request, key, is_provisioning=is_provisioning)
        if stopped is not None:
            return stopped
        if is_provisioning:
            return self._provision(request, key)
        if (request.method, request.path) == ("POST", "/disbursement/token/"):
            return self._token(request)
        return self._as_user(request)

    def _gateway(self, request: Request, key: str, *, is_provisioning: bool) -> Reply | None:
        """What is answered in front of the API, whatever was asked of it."""
        known = {user.subscription_key for user in self.state.users.values()}
        if not key or not (is_provisioning or key in known):
            message = (
                f"Access denied due to {'invalid' if key else 'missing'} subscription key."
            )
            return Reply(HTTPStatus.UNAUTHORIZED, {"statusCode": 401, "message": message})
        if "python-requests" in request.headers.get("user-agent", "").lower():
            return Reply(HTTPStatus.FORBIDDEN)
        return DOWN if self.state.behaviour.is_down else None

    def _as_user(self, request: Request) -> Reply:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        user = self.state.user_of_token(bearer)
        if user is None:
            return Reply(HTTPStatus.UNAUTHORIZED, {"error": "invalid_token"})
        if request.headers.get("x-target-environment") != user.target_environment:
            return refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "NOT_ALLOWED_TARGET_ENVIRONMENT",
                "Access to target environment is forbidden.",
            )
        return self._disburse(request, user)

    # Provisioning, as in the sandbox.

    def _provision(self, request: Request, key: str) -> Reply:
        _, _, rest = request.path.removeprefix("/v1_0/apiuser").partition("/")
        user_id, _, what = rest.partition("/")
        if not rest and request.method == "POST":
            return self._new_user(request, key)
        user = self.state.users.get(user_id)
        if user is None or user.subscription_key != key:
            return NOT_FOUND
        if what == "apikey" and request.method == "POST":
            user.api_key = uuid4().hex
            self.state.keep_user(user)
            return Reply(HTTPStatus.CREATED, {"apiKey": user.api_key})
        shown = {
            "providerCallbackHost": user.callback_host,
            "targetEnvironment": user.target_environment,
        }
        return Reply(HTTPStatus.OK, shown) if not what else NOT_FOUND

    def _new_user(self, request: Request, key: str) -> Reply:
        reference = request.headers.get("x-reference-id", "")
        host = _json(request.body).get("providerCallbackHost")
        if not _is_uuid4(reference) or not isinstance(host, str) or not host:
            return Reply(HTTPStatus.BAD_REQUEST)
        if reference in self.state.users:
            return self._duplicate()
        environment = self.state.behaviour.target_environment
        self.state.keep_user(ApiUser(reference, host, key, environment))
        return Reply(HTTPStatus.CREATED)

    def _token(self, request: Request) -> Reply:
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        try:
            user_id, _, api_key = b64decode(pair).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            user_id, api_key = "", ""
        user = self.state.users.get(user_id)
        if scheme != "Basic" or user is None or not api_key or user.api_key != api_key:
            return Reply(HTTPStatus.UNAUTHORIZED, {"error": "login_failed"})
        token, seconds = self.state.new_token(user)
        return Reply(
            HTTPStatus.OK,
            {"access_token": token, "token_type": "access_token", "expires_in": seconds},
        )

    # Disbursement.

    def _disburse(self, request: Request, user: ApiUser) -> Reply:
        path, transfers = request.path, "/disbursement/v1_0/transfer"
        if request.method == "POST":
            return self._transfer(request, user) if path == transfers else NOT_FOUND
        if path.startswith(f"{transfers}/"):
            return self._status(path.removeprefix(f"{transfers}/"), user)
        if path.startswith("/disbursement/v1_0/account/balance"):
            currency = CURRENCIES[user.target_environment]
            left = self.state.balance(currency)
            return Reply(HTTPStatus.OK, {"availableBalance": str(left), "currency": currency})
        if holder := HOLDER.match(path):
            return self._holder(holder[1], holder[2])
        return NOT_FOUND

    def _transfer(self, request: Request, user: ApiUser) -> Reply:
        reference, how = request.headers.get("x-reference-id", ""), self.state.behaviour
        turn = self.state.count_post(reference)
        if how.strikes("lost_request", reference, turn):
            return Reply(HTTPStatus.OK, is_lost=True)
        if how.strikes("refused_before", reference, turn):
            return BROKEN
        callback_url = request.headers.get("x-callback-url", "")
        body = _json(request.body)
        wrong = self._wrong(reference, body, callback_url, user)
        if wrong is not None:
            return wrong
        transfer = self.state.take(
            reference=reference, user=user, body=body, callback_url=callback_url
        )
        if transfer is None:
            return self._duplicate()
        if transfer.callback_url and transfer.ends_at is not None:
            self.callbacks.due(transfer)
        if how.strikes("lost_reply", reference, turn):
            return Reply(HTTPStatus.OK, is_lost=True, hang_seconds=how.hang_seconds)
        return Reply(HTTPStatus.ACCEPTED)

    def _wrong(
        self, reference: str, body: dict[str, Any], callback_url: str, user: ApiUser
    ) -> Reply | None:
        if not _is_uuid4(reference) or not _is_transfer(body):
            return Reply(HTTPStatus.BAD_REQUEST)
        if callback_url and urlsplit(callback_url).hostname != user.callback_host:
            return refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "INVALID_CALLBACK_URL_HOST",
                "Callback URL with different host name then configured for API user.",
            )
        if body["currency"] != CURRENCIES[user.target_environment]:
            return refusal(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "INVALID_CURRENCY",
                "Currency not supported.",
            )
        return None

    def _duplicate(self) -> Reply:
        return refusal(
            HTTPStatus.CONFLICT,
            "RESOURCE_ALREADY_EXIST",
            "Duplicated reference id. Creation of resource failed.",
        )

    def _status(self, reference: str, user: ApiUser) -> Reply:
        how = self.state.behaviour
        turn = self.state.count_look(reference)
        if how.strikes("lost_status", reference, turn):
            return Reply(HTTPStatus.OK, is_lost=True)
        transfer = self.state.found(reference, user)
        if transfer is None:
            return NOT_FOUND
        shown = transfer.shown(time(), reason_is_object=how.reason_is_object)
        return Reply(HTTPStatus.OK, shown)

    def _holder(self, msisdn: str, what: str) -> Reply:
        if not MSISDN.match(msisdn):
            return Reply(HTTPStatus.BAD_REQUEST)
        is_active = msisdn[-4:] not in INACTIVE
        if what == "active":
            return Reply(HTTPStatus.OK, {"result": is_active})
        if not is_active:
            return NOT_FOUND
        name = {"given_name": "Sand", "family_name": "Box", "name": "Sand Box"}
        return Reply(HTTPStatus.OK, name | {"status": "ACTIVE", "locale": "sv_SE"})

    # Not MTN's: how tests see behind it and tell it what to do.

    def _own(self, request: Request) -> Reply:
        calls: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "ledger"): lambda: {"paid": self.state.ledger()},
            ("GET", "behaviour"): lambda: asdict(self.state.behaviour),
            ("POST", "behaviour"): lambda: self._change(request),
            ("GET", "requests"): lambda: {
                "posts": self.state.posts,
                "looks": self.state.looks,
                "look_times": self.state.look_times,
                "called_back": self.callbacks.made,
            },
        }
        call = calls.get((request.method, request.path.removeprefix("/_simulator/")))
        if call is None:
            return NOT_FOUND
        try:
            with self.state.lock:
                return Reply(HTTPStatus.OK, call())
        except ValueError as error:
            return refusal(HTTPStatus.BAD_REQUEST, "BAD_BEHAVIOUR", str(error))

    def _change(self, request: Request) -> dict[str, Any]:
        self.state.behaviour.change(_json(request.body))
        return asdict(self.state.behaviour)


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body or b"{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _is_uuid4(text: str) -> bool:
    try:
        return UUID(text).version == UUID_VERSION
    except ValueError:
        return False


def _is_transfer(body: dict[str, Any]) -> bool:
    """Whether the body is one that the published schema takes."""
    payee, notes = body.get("payee"), [body.get("payerMessage"), body.get("payeeNote")]
    try:
        amount = Decimal(str(body.get("amount")))
    except InvalidOperation:
        return False
    return (
        amount.is_finite()
        and amount > 0
        and isinstance(body.get("amount"), str)
        and isinstance(body.get("currency"), str)
        and isinstance(payee, dict)
        and payee.get("partyIdType") == "MSISDN"
        and MSISDN.match(str(payee.get("partyId"))) is not None
        and all(
            note is None
            or (
                isinstance(note, str)
                and len(note) <= NOTE_CHARACTERS_MAX
                and not ODD_CHARACTERS.search(note)
            )
            for note in notes
        )
    )
