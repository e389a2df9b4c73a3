"""One payout's life, told step by step, as a recipient's page would see it."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from engine.payouts import services
from engine.payouts.links import tracking_token
from engine.payouts.models import Payout
from engine.payouts.quotes import QuoteRequest, make_quote
from engine.payouts.states import Status
from engine.rails.networks import asset_named
from tests.cast import EVM, TRON, USDT, fund

# The engine takes no step in an hour: what happens is what the test tells.
NEVER_SECONDS = 3600


class Story:
    """Begins with an executed quote; each method is one step further."""

    def __init__(
        self,
        partner,
        *,
        livemode=True,
        source="ethereum",
        target="polygon",
        units=1250 * USDT,
        external_ref="internal-ref-77",
    ):
        fund(
            partner,
            livemode=livemode,
            external_ref=external_ref,
            network=source,
            units=2 * units,
        )
        quote, _ = make_quote(
            QuoteRequest(
                partner_id=partner.pk,
                livemode=livemode,
                fee_schedule_id=partner.fee_schedule_id,
                door="connect",
                external_ref=external_ref,
                asset=asset_named("USDT"),
                units=units,
                destination=TRON if target == "tron" else EVM,
                to_network=target,
                reachable=(target,),
                digest=hashlib.sha256(uuid4().bytes).digest(),
            )
        )
        services.execute_quote(
            quote_id=quote.public_id, partner_id=partner.pk, livemode=livemode, door="connect"
        )
        self.quote, self.id = quote, quote.payout_id
        self.token = tracking_token(self.id)
        self.url = f"/t/{self.token}"

    @property
    def payout(self):
        return Payout.objects.get(pk=self.id)

    def reference(self, leg):
        digest = hashlib.sha256(f"{self.id}{leg}".encode()).hexdigest()
        return digest if self.payout.to_network == "tron" else f"0x{digest}"

    def promise(self, seconds):
        """Move the promise and the estimate, as if it had been made at another time."""
        moment = timezone.now() + timedelta(seconds=seconds)
        Payout.objects.filter(pk=self.id).update(
            promised_at=moment, estimated_delivery_at=moment
        )
        return self

    def estimate(self, seconds):
        services.reschedule([self._step(seconds=seconds)])
        return self

    def confirm(self, count, needed):
        """The network has built on it: `count` blocks of `needed`."""
        Payout.objects.filter(pk=self.id).update(
            confirmations=count, confirmations_needed=needed
        )
        return self

    def send(self, seconds=30):
        services.advance(Status.SENDING, [self._step()])
        services.advance(Status.BROADCAST, [self._step(leg=1, seconds=seconds)])
        return self

    def cross(self, seconds=15):
        services.begin_next_leg([self.id])
        self.confirm(0, 0)
        services.note_leg([self._step(leg=2, seconds=seconds)])
        return self

    def cross_by_the_house(self):
        """Leg 1 of a bridge that the house makes out of its own liquidity: at once."""
        services.advance(Status.SENDING, [self._step()])
        house = replace(self._step(leg=1), reference=f"house:{self.id.hex}:1")
        services.advance(Status.BROADCAST, [house])
        services.begin_next_leg([self.id])
        return self

    def send_last(self, seconds=15):
        services.note_leg([self._step(leg=2, seconds=seconds)])
        return self

    def deliver(self):
        services.advance(Status.DELIVERED, [self._step(leg=self.payout.leg)])
        return self

    def fail(self, code):
        was_sent = self.payout.status == Status.BROADCAST
        step = self._step(leg=1 if was_sent else None, failure_code=code)
        services.advance(Status.FAILED, [step])
        return self

    def cancel(self):
        services.advance(Status.CANCELLED, [self._step(failure_code="cancelled")])
        return self

    def _step(self, *, leg=None, seconds=None, failure_code=""):
        payout = self.payout
        return services.Step(
            self.id,
            network="" if leg is None else payout.network_of_leg,
            reference="" if leg is None else self.reference(leg),
            estimate=None if seconds is None else timezone.now() + timedelta(seconds=seconds),
            failure_code=failure_code,
            due_seconds=NEVER_SECONDS,
        )
