"""What mobile money can be asked about us after a restore (statements.Statement).

The journal names every send with its terms, and the operator knows it by the reference
alone, so a forgotten send is written down again as one that may be out: looks find it, or
miss it long enough that the same reference is handed over again.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models.functions import Now

from engine.rails.errors import RailUnavailable
from engine.rails.models import MomoAccount, MomoCredentials, MomoSend
from engine.rails.momo.answers import SUCCESSFUL, judge
from engine.rails.momo.client import Silence
from engine.rails.momo.looks import ask_about
from engine.rails.momo.sends import sends_of, write_down
from engine.rails.statements import CannotRecall, Difference, Held

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from engine.rails.base import Prepared

TERMS = (
    "leg", "number", "payee", "units", "currency", "external_id", "payer_message",
    "payee_note",
)  # fmt: skip
# While the others' turns reach too far ahead.
PAUSE_SECONDS = 1.0
PAUSES_MAX = 60
PLATFORM = ("base_url", "target_environment", "api_user")


class MomoStatement:
    """See statements.Statement for the questions."""

    def terms_of(self, batch: Sequence[Prepared]) -> list[dict[str, Any]]:
        """All of a send but our keys: what was promised, to whom, and by which account."""
        found = sends_of(batch)
        return [_terms(found[one.reference]) for one in batch]

    def recall(self, *, network: str, reference: str, terms: dict[str, Any]) -> bytes:
        """Write a send down again, as one that may be out. Raises CannotRecall."""
        account = MomoAccount.objects.filter(name=terms["account"], network=network).first()
        credentials = (
            MomoCredentials.objects.filter(
                account=account, **{name: terms[name] for name in PLATFORM}
            )
            .order_by("-id")
            .first()
        )
        if account is None or credentials is None:
            raise CannotRecall(
                f"Connect the account {terms['account']} again, at {terms['base_url']} as"
                f" {terms['api_user']}."
            )
        send = MomoSend(
            reference=UUID(reference),
            payout_id=UUID(terms["payout_id"]),
            account=account,
            credentials=credentials,
            posts=1,
            posted_at=Now(),
            is_out=True,
            **{name: terms[name] for name in TERMS},
        )
        try:
            write_down([send])
        except ValueError as error:
            raise CannotRecall(str(error)) from None
        return reference.encode()

    def ahead_of_us(self) -> str:
        """Operators do not count our sends; they answer only about what we can name."""
        return ""

    def recover(self, *, explained: Collection[str]) -> list[Difference]:  # noqa: ARG002
        """Operators list nothing for us: they answer only about what we can name."""
        return []

    def delivered(self, batch: Sequence[Prepared]) -> list[bool]:
        """Ask about each again, at the pace of looks. Raises RailUnavailable."""
        found = sends_of(batch)
        waiting, shown = {send.pk: send for send in found.values()}, set()
        pauses = 0
        while waiting:
            answers = ask_about(list(waiting.values()))
            for key, answer in answers.items():
                if isinstance(answer, Silence):
                    raise RailUnavailable(f"An operator {answer.message}.")
                if judge(waiting.pop(key), answer).end == SUCCESSFUL:
                    shown.add(key)
            if not answers:
                pauses += 1
                if pauses > PAUSES_MAX:
                    raise RailUnavailable("An operator has no turns, or no keys of ours.")
                sleep(PAUSE_SECONDS)
        return [one.reference in found and found[one.reference].pk in shown for one in batch]

    def held(self) -> list[Held]:
        """Nothing that the books could be held against: balances there move by the minute
        with sends whose end we have not seen yet.
        """
        return []


def _terms(send: MomoSend) -> dict[str, Any]:
    platform = {name: getattr(send.credentials, name) for name in PLATFORM}
    return {
        "account": send.account.name,
        "payout_id": send.payout_id.hex,
        **platform,
        **{name: getattr(send, name) for name in TERMS},
    }
