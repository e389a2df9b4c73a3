"""The addresses of Connect, below /connect/v1/."""

from __future__ import annotations

from django.urls import path

from connect import pages
from connect.views.addresses import Addresses, OneAddress
from connect.views.balances import Balances, BalancesOfUser, OneTransaction, Transactions
from connect.views.batches import PayoutBatches
from connect.views.destinations import DestinationCheck, Networks
from connect.views.payouts import OnePayout, Payouts, Quotes
from connect.views.sandbox import SandboxAdvance, SandboxDeposits
from connect.views.webhooks import (
    EndpointTest,
    EventResend,
    Events,
    OneEvent,
    OneWebhookEndpoint,
    RangeResend,
    SecretRoll,
    WebhookEndpoints,
)

urlpatterns = [
    path("payouts/quote", Quotes.as_view()),
    path("payouts", Payouts.as_view()),
    path("payouts/batch", PayoutBatches.as_view()),
    path("payouts/<str:payout_id>", OnePayout.as_view()),
    path("addresses", Addresses.as_view()),
    path("addresses/<str:address_id>", OneAddress.as_view()),
    path("balances", Balances.as_view()),
    # A reference is the partner's own text and may hold slashes.
    path("balances/<path:external_ref>", BalancesOfUser.as_view()),
    path("transactions", Transactions.as_view()),
    path("transactions/<str:transaction_id>", OneTransaction.as_view()),
    path("networks", Networks.as_view()),
    path("destinations/check", DestinationCheck.as_view()),
    path("webhook_endpoints", WebhookEndpoints.as_view()),
    path("webhook_endpoints/<str:endpoint_id>", OneWebhookEndpoint.as_view()),
    path("webhook_endpoints/<str:endpoint_id>/roll_secret", SecretRoll.as_view()),
    path("webhook_endpoints/<str:endpoint_id>/test", EndpointTest.as_view()),
    path("events", Events.as_view()),
    path("events/resend", RangeResend.as_view()),
    path("events/<str:event_id>", OneEvent.as_view()),
    path("events/<str:event_id>/resend", EventResend.as_view()),
    path("sandbox/deposits", SandboxDeposits.as_view()),
    path("sandbox/payouts/<str:payout_id>/advance", SandboxAdvance.as_view()),
    path("openapi.json", pages.openapi_document),
    path("reference", pages.reference, name="connect-reference"),
    path("", pages.nothing_here),
    path("<path:rest>", pages.nothing_here),
]
