"""What the OpenAPI document says of webhook endpoints and events."""

from __future__ import annotations

from connect import webhook_forms as forms
from connect import webhook_shapes as shapes
from connect.openapi import operation
from connect.serializers import NothingForm, PageQuery

ENDPOINT_ID = "endpoint_id: whe_ and 32 hexadecimal digits."
EVENT_ID = "event_id: evt_ and 32 hexadecimal digits."
NOT_KEYED = " An Idempotency-Key is not looked at, since the answer holds a secret."

create_endpoint = operation(
    "createWebhookEndpoint",
    "Register an address for webhooks in this key's mode. The secret is shown in this"
    " answer and never again." + NOT_KEYED,
    {201: shapes.NewWebhookEndpointShape},
    body=forms.WebhookEndpointForm,
    problems=(422,),
)
list_endpoints = operation(
    "listWebhookEndpoints",
    "Newest first, with an opaque cursor.",
    {200: shapes.WebhookEndpointsShape},
    query=PageQuery,
)
get_endpoint = operation(
    "getWebhookEndpoint",
    "One webhook endpoint.",
    {200: shapes.WebhookEndpointShape},
    problems=(404,),
    path=ENDPOINT_ID,
)
change_endpoint = operation(
    "updateWebhookEndpoint",
    "Change only what is sent. What waits for the endpoint goes to its new address.",
    {200: shapes.WebhookEndpointShape},
    body=forms.WebhookEndpointChangeForm,
    problems=(404, 422),
    path=ENDPOINT_ID,
)
delete_endpoint = operation(
    "deleteWebhookEndpoint",
    "Nothing is sent there again, and what waited for it is given up.",
    {204: None},
    problems=(404,),
    path=ENDPOINT_ID,
)
roll_secret = operation(
    "rollWebhookSecret",
    "A new secret, shown in this answer and never again. The old one signs beside it for"
    " 24 h; one older than that stops at once." + NOT_KEYED,
    {200: shapes.NewSecretShape},
    body=NothingForm,
    problems=(404,),
    path=ENDPOINT_ID,
)
send_test = operation(
    "testWebhookEndpoint",
    "Send a webhook.test event that tells of nothing, to see that it arrives and verifies.",
    {202: shapes.TestEventShape},
    body=NothingForm,
    keyed="Optional.",
    problems=(404, 409),
    path=ENDPOINT_ID,
)
list_events = operation(
    "listEvents",
    "Everything you were, or would have been, told: with or without an endpoint. Newest"
    " first, with an opaque cursor.",
    {200: shapes.EventsShape},
    query=forms.EventsQuery,
)
get_event = operation(
    "getEvent",
    "One event, and what became of it at each endpoint.",
    {200: shapes.EventShape},
    problems=(404,),
    path=EVENT_ID,
)
resend_event = operation(
    "resendEvent",
    "Send an event again, with the same id and the same bytes, to every enabled endpoint"
    " that wants its type or got it before, or to one of them.",
    {202: shapes.ResentShape},
    body=forms.ResendForm,
    keyed="Optional.",
    problems=(404, 409),
    path=EVENT_ID,
)
resend_events = operation(
    "resendEvents",
    "Send every event of a span of time again, at most 1,000 in one call; more are refused"
    " with `too_many_events` and nothing is sent. Tests are left out.",
    {202: shapes.ResentRangeShape},
    body=forms.ResendRangeForm,
    keyed="Optional.",
    problems=(404, 409, 422),
)
