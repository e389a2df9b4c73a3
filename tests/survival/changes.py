"""What a test may change in its workers: a harder world, and engines broken on purpose.

Each broken one is a way in which payouts are commonly built. The changes are made in a
forked worker, so nothing of them is in the product.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from engine.payouts import sending, services
from engine.payouts.models import Payout
from engine.payouts.states import Status
from engine.rails import simulated
from engine.rails.attempts import close_attempts, open_attempts
from engine.rails.base import Outcome
from engine.rails.models import Attempt, AttemptState
from engine.rails.simulated import SimulatedRail


def names_nobody_can_guess():
    """References that cannot be computed a second time, as a signature's cannot.

    The simulated rail's own come out the same again, and so would hide an engine that
    forgets which one it used.
    """
    simulated._reference = lambda _order: f"0x{uuid4().hex}{uuid4().hex}"


def send_before_keeping():
    """Hand over first, commit the attempt afterwards."""
    keep = sending.open_attempts

    def hasty(*, sends):
        # On a connection of its own: no network waits for our commit.
        with ThreadPoolExecutor(1) as outside:
            outside.submit(_send, [prepared for _, prepared in sends]).result()
        return keep(sends=sends)

    sending.open_attempts = hasty


def _send(batch):
    SimulatedRail().submit(batch)
    connection.close()


def no_answer_means_failed():
    """Give the money back when a send was not answered in time."""

    def give_back(attempts):
        services.advance(
            Status.FAILED,
            [services.Step(each.payout_id, failure_code="timeout") for each in attempts],
        )

    _when_nobody_answers(give_back)


def no_answer_means_send_another():
    """Retry what was not answered in time, as a new attempt under a new name."""

    def send_another(attempts):
        orders = [
            replace(sending.order_for(Payout.objects.get(pk=each.payout_id)), attempt=2)
            for each in attempts
        ]
        open_attempts(sends=list(zip(orders, SimulatedRail().prepare(orders), strict=True)))

    _when_nobody_answers(send_another)


def _when_nobody_answers(step):
    submit = SimulatedRail.submit

    def deciding(self, batch):
        receipts = submit(self, batch)
        lost = [receipt.reference for receipt in receipts if receipt.accepted is None]
        attempts = Attempt.objects.filter(reference__in=lost, state=AttemptState.LIVE)
        with transaction.atomic():
            attempts = list(attempts)
            close_attempts(
                state=AttemptState.DEAD,
                proofs={each.pk: {"said": "no answer"} for each in attempts},
            )
            step(attempts)
        return receipts

    SimulatedRail.submit = deciding


def sent_means_delivered():
    """Never look: what was handed over has arrived."""
    look_up = SimulatedRail.look_up

    def hoping(self, batch):
        return [
            replace(each, outcome=Outcome.FINAL, seen_at=each.seen_at or timezone.now())
            for each in look_up(self, batch)
        ]

    SimulatedRail.look_up = hoping


def a_lease_is_for_ever():
    """Who has taken a payout keeps it, dead or alive."""
    settings.LEASE_SECONDS = 10**6
