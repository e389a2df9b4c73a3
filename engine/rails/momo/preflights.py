"""Whether a payout could be sent: our accounts, the operator, and the payee, in this order.

Only a plain word of the operator's about the payee rejects: `{"result": false}` to the
question whether the account is active. A 404, an error or no answer says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from engine.rails.errors import DestinationInvalid, RailRejected, RailUnavailable
from engine.rails.models import MomoAccount, MomoSend
from engine.rails.momo import breaker
from engine.rails.momo.accounts import (
    QUICK_SECONDS,
    Floats,
    clients_of,
    refresh_balances,
)
from engine.rails.momo.asking import ask_together
from engine.rails.momo.client import OK, Answer, Client, Silence
from engine.rails.momo.pace import take_turns
from engine.rails.momo.references import NAME, reference_of
from engine.rails.operators import CURRENCIES, GATEWAYS, Msisdn, read_msisdn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.rails.base import Order

    Refusal = RailRejected | RailUnavailable
    Ask = Callable[[Client], Answer]


# Nobody waits longer than this for a turn to ask about a payee.
HORIZON_SECONDS = 0.5


def preflight_orders(orders: Sequence[Order]) -> list[Order | Refusal]:
    """Each order, or why it cannot be sent for good or for now. In their order."""
    payees = [_payee(order) for order in orders]
    before = Floats()
    refresh_balances(
        account
        for account in {
            account.pk: account
            for order, payee in zip(orders, payees, strict=True)
            if isinstance(payee, Msisdn)
            for account in _fitting(before, order, payee)
        }.values()
    )
    floats = Floats()
    answers: list[Order | Refusal] = []
    going: dict[tuple[str, str], list[int]] = defaultdict(list)
    senders: dict[int, MomoAccount] = {}
    for place, (order, payee) in enumerate(zip(orders, payees, strict=True)):
        account = payee if isinstance(payee, RailRejected) else _account(order, payee, floats)
        if isinstance(account, MomoAccount):
            senders[place] = account
            going[account.network, account.country].append(place)
            answers.append(order)
        else:
            answers.append(account)
    for (network, country), places in going.items():
        admitted = breaker.admit(network=network, country=country, wanted=len(places))
        for place in places[admitted:]:
            senders.pop(place)
            answers[place] = RailUnavailable(
                "The operator does not work just now.", waiting_for="operator_down"
            )
    for place in _inactive(orders, senders, floats):
        answers[place] = RailRejected(
            "The operator says that this number has no account that can be paid.",
            failure_code="payee_not_found",
        )
    return answers


def send_for(order: Order, floats: Floats, *, is_known: bool = False) -> MomoSend | Refusal:
    """The send of an order, from the account that pays it, not kept yet.

    One that `is_known` has its account, and its share of the float, already.
    """
    payee = _payee(order)
    if isinstance(payee, RailRejected):
        return payee
    fitting = _fitting(floats, order, payee)
    account = fitting[0] if is_known and fitting else _account(order, payee, floats)
    if not isinstance(account, MomoAccount):
        return account
    return MomoSend(
        reference=reference_of(order),
        payout_id=order.payout_id,
        leg=order.leg,
        number=order.attempt,
        account=account,
        credentials=floats.credentials[account.pk],
        payee=payee.e164.removeprefix("+"),
        units=order.units,
        currency=order.asset,
        external_id=order.payout_id.hex,
        payer_message=f"{NAME} {order.payout_id.hex[-8:]}",
        payee_note=account.payee_note,
    )


def _payee(order: Order) -> Msisdn | RailRejected:
    if order.network not in GATEWAYS.values() or order.asset not in CURRENCIES:
        return RailRejected(
            f"{order.asset} is not paid over {order.network}.",
            failure_code="asset_not_on_network",
        )
    try:
        return read_msisdn(order.destination, currency=order.asset)
    except DestinationInvalid as error:
        return RailRejected(error.message, failure_code="payee_number_invalid")


def _fitting(floats: Floats, order: Order, payee: Msisdn) -> list[MomoAccount]:
    return floats.fitting(
        network=order.network,
        country=payee.country,
        currency=order.asset,
        livemode=order.livemode,
    )


def _account(order: Order, payee: Msisdn, floats: Floats) -> MomoAccount | RailUnavailable:
    fitting = _fitting(floats, order, payee)
    if not fitting:
        return RailUnavailable(
            f"No account of ours pays {order.asset} in {payee.country}.",
            waiting_for="account",
        )
    return floats.take(fitting, order.units) or RailUnavailable(
        "No account of ours there holds enough.", waiting_for="liquidity"
    )


def _inactive(
    orders: Sequence[Order], senders: dict[int, MomoAccount], floats: Floats
) -> Iterable[int]:
    """The places whose payee the operator says, in so many words, cannot be paid.

    Asked only where there are turns to spare: looks at what is sent matter more.
    """
    by_account: dict[int, list[int]] = defaultdict(list)
    for place, account in senders.items():
        by_account[account.pk].append(place)
    questions: dict[int, tuple[Client, Ask]] = {}
    delays: list[float] = []
    for account_id, places in by_account.items():
        credentials = floats.credentials[account_id]
        client = clients_of([credentials], seconds=QUICK_SECONDS).get(credentials.pk)
        if client is None:
            continue
        turns = take_turns(
            account_id=account_id, wanted=len(places), horizon_seconds=HORIZON_SECONDS
        )
        for place, delay in zip(places, turns, strict=False):
            questions[place] = (client, _active(orders[place]))
            delays.append(delay)
    for place, answer in ask_together(questions, delays).items():
        if says_inactive(answer):
            yield place


def says_inactive(answer: Answer | Silence) -> bool:
    """Whether that is the operator's plain no, and not merely no yes."""
    return (
        isinstance(answer, Answer)
        and answer.status == OK
        and answer.body.get("result") is False
    )


def _active(order: Order) -> Ask:
    msisdn = order.destination.removeprefix("+")
    return lambda client: client.is_active(msisdn)
