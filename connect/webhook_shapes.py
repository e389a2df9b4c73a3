"""What answers about webhooks look like, for the OpenAPI document."""

from __future__ import annotations

from rest_framework.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    DateTimeField,
    DictField,
    IntegerField,
    ListField,
)

from connect.shapes import Shape, page_of
from connect.words import ALL_EVENT_TYPES, EVENT_TYPES
from engine.webhooks.models import DeliveryState, EndpointState


class WebhookEndpointShape(Shape):
    id = CharField(help_text="whe_ and 32 hexadecimal digits.")
    url = CharField()
    types = ListField(
        child=ChoiceField(choices=EVENT_TYPES), help_text="Empty means all there are."
    )
    description = CharField()
    state = ChoiceField(choices=EndpointState.values)
    created_at = DateTimeField()
    disabled_reason = CharField(required=False, help_text="While it is disabled.")
    failing_since = DateTimeField(
        required=False, help_text="While every attempt fails; five days disable it."
    )


class NewWebhookEndpointShape(WebhookEndpointShape):
    secret = CharField(help_text="whsec_ and base64. It is never shown again.")


class NewSecretShape(Shape):
    secret = CharField(help_text="whsec_ and base64. It is never shown again.")
    old_secret_until = DateTimeField(help_text="Until then the old one signs beside it.")


class TestEventShape(Shape):
    event = CharField(help_text="evt_ and 32 hexadecimal digits.")


class EventBodyShape(Shape):
    """The very bytes that are signed and sent."""

    type = ChoiceField(choices=ALL_EVENT_TYPES)
    timestamp = DateTimeField(help_text="When it became true.")
    sequence = IntegerField(required=False, help_text="Absent in a test.")
    livemode = BooleanField()
    data = DictField(help_text="What GET /payouts/{id} showed then.")  # type: ignore[assignment] # DRF moves fields away


class EventDeliveryShape(Shape):
    endpoint = CharField(help_text="whe_ and 32 hexadecimal digits.")
    state = ChoiceField(
        choices=DeliveryState.values, help_text="dead: given up, until you resend it."
    )
    tries = IntegerField(min_value=0, help_text="Since it was last set going.")
    due_at = DateTimeField(required=False, help_text="The next attempt, while pending.")


class EventShape(Shape):
    id = CharField(help_text="evt_ and 32 hexadecimal digits: the `webhook-id`.")
    type = ChoiceField(choices=ALL_EVENT_TYPES)
    subject = CharField(help_text="What it is about, such as pay_…")
    sequence = IntegerField(min_value=1, help_text="Counts from 1 for each subject.")
    created_at = DateTimeField()
    livemode = BooleanField()
    body = EventBodyShape()
    deliveries = EventDeliveryShape(many=True)


class ResentShape(Shape):
    deliveries = IntegerField(min_value=0, help_text="How many are on their way.")


class ResentRangeShape(ResentShape):
    events = IntegerField(min_value=0, help_text="How many were found.")


WebhookEndpointsShape = page_of(WebhookEndpointShape, "WebhookEndpointsShape")
EventsShape = page_of(EventShape, "EventsShape")
