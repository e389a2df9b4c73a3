"""What the simulated operator knows: API users, tokens, transfers, and what it has paid.

With a journal, users and transfers outlive the process: a line is on the disk before the
answer goes out, as an operator's own books would be.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from threading import RLock
from time import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from engine.rails.mtn_simulator.behaviour import Behaviour, is_slow, is_stuck, reason_of

if TYPE_CHECKING:
    from pathlib import Path

PENDING, SUCCESSFUL, FAILED = "PENDING", "SUCCESSFUL", "FAILED"
FLOAT = "100000000"


@dataclass(slots=True)
class ApiUser:
    """Who may call, once it has a key. `subscription_key` is the one it was made with."""

    id: str
    callback_host: str
    subscription_key: str
    target_environment: str
    api_key: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer that was taken, and from when on it is what. Times are Unix seconds."""

    reference: str
    api_user: str
    body: dict[str, Any]
    callback_url: str
    taken_at: float
    visible_at: float
    ends_at: float | None
    reason: str
    financial_id: str

    def status(self, now: float) -> str:
        if self.ends_at is None or now < self.ends_at:
            return PENDING
        return FAILED if self.reason else SUCCESSFUL

    def shown(self, now: float, *, reason_is_object: bool) -> dict[str, Any]:
        """What GET and the callback say of it."""
        names = ("amount", "currency", "externalId", "payee", "payerMessage", "payeeNote")
        answer = {name: self.body[name] for name in names if self.body.get(name)}
        answer["status"] = self.status(now)
        if answer["status"] == SUCCESSFUL:
            answer["financialTransactionId"] = self.financial_id
        elif answer["status"] == FAILED:
            words = {"code": self.reason, "message": self.reason.lower().replace("_", " ")}
            answer["reason"] = words if reason_is_object else self.reason
        return answer


@dataclass(slots=True)
class State:
    """Everything, under one lock."""

    behaviour: Behaviour
    journal: Path | None = None
    users: dict[str, ApiUser] = field(default_factory=dict)
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    posts: dict[str, int] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    look_times: list[float] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)

    def __post_init__(self) -> None:
        if self.journal is None or not self.journal.exists():
            return
        for line in self.journal.read_text().splitlines():
            row = json.loads(line)
            if row["kind"] == "user":
                user = ApiUser(**row["fields"])
                self.users[user.id] = user
            else:
                transfer = Transfer(**row["fields"])
                self.transfers[transfer.reference] = transfer

    def keep_user(self, user: ApiUser) -> None:
        with self.lock:
            self.users[user.id] = user
            self._write("user", asdict(user))

    def new_token(self, user: ApiUser) -> tuple[str, int]:
        seconds = self.behaviour.token_seconds
        with self.lock:
            token = uuid4().hex
            self.tokens[token] = (user.id, time() + seconds)
        return token, seconds

    def user_of_token(self, token: str) -> ApiUser | None:
        user_id, good_until = self.tokens.get(token, ("", 0.0))
        return self.users.get(user_id) if time() < good_until else None

    def count_post(self, reference: str) -> int:
        with self.lock:
            self.posts[reference] = self.posts.get(reference, 0) + 1
            return self.posts[reference]

    def count_look(self, reference: str) -> int:
        with self.lock:
            self.look_times.append(time())
            self.looks[reference] = self.looks.get(reference, 0) + 1
            return self.looks[reference]

    def take(
        self, *, reference: str, user: ApiUser, body: dict[str, Any], callback_url: str
    ) -> Transfer | None:
        """Take a transfer; None when its reference is taken already."""
        payee, how, now = str(body["payee"]["partyId"]), self.behaviour, time()
        with self.lock:
            if reference in self.transfers:
                return None
            is_late = how.strikes("late", reference, 1)
            wait = how.slow_seconds if is_slow(payee) else how.settle_seconds
            reason = reason_of(payee)
            if not reason and Decimal(body["amount"]) > self.balance(str(body["currency"])):
                reason = "NOT_ENOUGH_FUNDS"
            transfer = Transfer(
                reference=reference,
                api_user=user.id,
                body=body,
                callback_url=callback_url,
                taken_at=now,
                visible_at=now + (how.late_seconds if is_late else 0.0),
                ends_at=None if is_stuck(payee) else now + wait,
                reason=reason,
                financial_id=str(1_000_000_000 + len(self.transfers)),
            )
            self.transfers[reference] = transfer
            self._write("transfer", asdict(transfer))
        return transfer

    def found(self, reference: str, user: ApiUser) -> Transfer | None:
        """A transfer as its own API user may see it: not before it is visible."""
        transfer = self.transfers.get(reference)
        if transfer is None or transfer.api_user != user.id:
            return None
        return transfer if time() >= transfer.visible_at else None

    def balance(self, currency: str) -> Decimal:
        """What is left for transfers of a currency: those that failed took nothing."""
        with self.lock:
            return Decimal(FLOAT) - sum(
                (
                    Decimal(one.body["amount"])
                    for one in self.transfers.values()
                    if not one.reason and one.body["currency"] == currency
                ),
                Decimal(0),
            )

    def ledger(self) -> list[dict[str, Any]]:
        """What was really paid, in the order in which it was taken."""
        now = time()
        with self.lock:
            return [
                {
                    "reference": one.reference,
                    "externalId": one.body.get("externalId"),
                    "payee": one.body["payee"]["partyId"],
                    "amount": one.body["amount"],
                    "currency": one.body["currency"],
                    "paid_at": one.ends_at,
                }
                for one in self.transfers.values()
                if one.status(now) == SUCCESSFUL
            ]

    def _write(self, kind: str, row: dict[str, Any]) -> None:
        if self.journal is not None:
            with self.journal.open("a") as file:
                file.write(json.dumps({"kind": kind, "fields": row}) + "\n")
