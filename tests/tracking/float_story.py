"""A payout from a partner's float, told step by step: to a number or to a bank account."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from engine.payouts import services
from engine.payouts.float_quotes import FloatQuoteRequest, make_float_quote
from engine.payouts.floats import credit_float
from engine.payouts.links import tracking_token
from engine.payouts.states import Status
from engine.rails.operators import read_msisdn
from tests.tracking.story import NEVER_SECONDS, Story

NUMBER = "+237670006789"
ORANGE = "+237690006789"
IBAN = "DE89370400440532013000"


@dataclass
class Holder:
    """An account as quotes ask for it."""

    e164: str = IBAN
    country: str = "DE"


class FloatStory(Story):
    """Begins with an executed quote by `network`; each method is one step further."""

    def __init__(
        self,
        partner,
        *,
        network="mtn_momo",
        number=NUMBER,
        units=5000,
        door="disbursements",
        livemode=True,
        over_gateways=False,
    ):
        is_bank = network == "sepa"
        currency = "EUR" if is_bank else "XAF"
        credit_float(
            partner_id=partner.pk,
            livemode=livemode,
            currency=currency,
            units=4 * units,
            reference=uuid4().hex,
            reason="a test",
            by="tests",
        )
        self.quote = make_float_quote(
            FloatQuoteRequest(
                partner_id=partner.pk,
                livemode=livemode,
                door=door,
                gateway=network,
                currency=currency,
                units=units,
                recipient=Holder() if is_bank else read_msisdn(number, currency=currency),
            )
        )
        services.execute_quote(
            quote_id=self.quote.public_id,
            partner_id=partner.pk,
            livemode=livemode,
            door=door,
            over_gateways=over_gateways,
        )
        self.id = self.quote.payout_id
        self.token = tracking_token(self.id)
        self.url = f"/t/{self.token}"

    def reference(self, leg=1):  # noqa: ARG002 - as every story
        """As an operator's and as a bank's EndToEndId: a UUID without its dashes fits both."""
        return str(self.id) if self.payout.to_network != "sepa" else self.id.hex.upper()

    def wait(self, reason):
        """The worker looked, and something is in the way."""
        services.reschedule(
            [services.Step(self.id, due_seconds=NEVER_SECONDS, waiting_for=reason)]
        )
        return self

    def ask(self):
        """Whoever carries it may have been asked: only a look can tell."""
        services.advance(Status.SENDING, [self._step()])
        return self

    def send(self, seconds=20):
        self.ask()
        sent = services.Step(
            self.id,
            network=self.payout.to_network,
            reference=self.reference(),
            estimate=timezone.now() + timedelta(seconds=seconds),
            due_seconds=NEVER_SECONDS,
            confirmations_needed=1,
        )
        services.advance(Status.BROADCAST, [sent])
        return self


STATES = {
    "pending": lambda story: story,
    "operator_down": lambda story: story.wait("operator_down"),
    "liquidity": lambda story: story.wait("liquidity"),
    "frozen": lambda story: story.wait("frozen"),
    "asked": lambda story: story.ask(),
    "sent": lambda story: story.send(),
    "late": lambda story: story.send().promise(-5 * 86_400),
    "delivered": lambda story: story.send().deliver(),
    "failed": lambda story: story.send().fail("payee_not_found"),
    "cancelled": lambda story: story.cancel(),
}
