"""What can be said of a number before anybody pays it."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep

from engine.rails.momo import breaker
from engine.rails.momo.accounts import QUICK_SECONDS, Floats, clients_of
from engine.rails.momo.client import OK, Answer, Client, Silence
from engine.rails.momo.pace import take_turns
from engine.rails.operators import read_msisdn

SHOWN = 1
# Whether it is active, and who holds it.
QUESTIONS = 2
# Somebody waits for the answer: without a turn so soon there is only the prediction.
HORIZON_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Recipient:
    """A number, and what its operator says; None and empty where it says nothing.

    `operator` and `gateway` are predicted from the number. `masked_name` shows initials.
    """

    msisdn: str
    country: str
    operator: str
    gateway: str
    is_active: bool | None
    masked_name: str
    is_operator_down: bool


def look_up_recipient(*, msisdn: str, network: str, currency: str, livemode: bool) -> Recipient:
    """Predict the operator, and ask it who holds the number. No transaction.

    Raises DestinationInvalid. An operator that does not answer is not waited for long.
    """
    payee = read_msisdn(msisdn, currency=currency)
    floats = Floats()
    fitting = floats.fitting(
        network=network, country=payee.country, currency=currency, livemode=livemode
    )
    is_active, name = None, ""
    if fitting:
        credentials = floats.credentials[fitting[0].pk]
        clients = clients_of([credentials], seconds=QUICK_SECONDS)
        turns = take_turns(
            account_id=fitting[0].pk, wanted=QUESTIONS, horizon_seconds=HORIZON_SECONDS
        )
        if clients and len(turns) == QUESTIONS:
            sleep(turns[0])
            is_active, name = _ask(clients[credentials.pk], payee.e164.removeprefix("+"))
    return Recipient(
        msisdn=payee.e164,
        country=payee.country,
        operator=payee.operator,
        gateway=payee.gateway,
        is_active=is_active,
        masked_name=name,
        is_operator_down=breaker.is_down(network=network, country=payee.country),
    )


def _ask(client: Client, digits: str) -> tuple[bool | None, str]:
    try:
        active = client.is_active(digits)
        result = active.body.get("result") if active.status == OK else None
        is_active = result if isinstance(result, bool) else None
        # Who holds an account that is none is nobody's business.
        return is_active, _masked(client.basic_info(digits)) if is_active else ""
    except Silence:
        return None, ""


def _masked(answer: Answer) -> str:
    """Initials and stars, so that a caller who knows the name can recognise it."""
    if answer.status != OK:
        return ""
    names = [answer.body.get("given_name"), answer.body.get("family_name")]
    return " ".join(name[:SHOWN] + "***" for name in names if isinstance(name, str) and name)
