"""Webhook endpoints and events as Connect's clients see them. No secret passes here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from engine.common.ids import public_id
from engine.common.times import format_time

if TYPE_CHECKING:
    from engine.webhooks.models import Delivery, Endpoint, Message


def endpoint_answer(endpoint: Endpoint) -> dict[str, Any]:
    """A webhook endpoint, without its secrets."""
    answer = {
        "id": endpoint.public_id,
        "url": endpoint.url,
        "types": endpoint.types,
        "description": endpoint.description,
        "state": endpoint.state,
        "created_at": format_time(endpoint.created_at),
    }
    if endpoint.disabled_reason:
        answer["disabled_reason"] = endpoint.disabled_reason
    if endpoint.failing_since is not None:
        answer["failing_since"] = format_time(endpoint.failing_since)
    return answer


def event_answer(message: Message) -> dict[str, Any]:
    """A message with its deliveries, which were loaded with it."""
    return {
        "id": message.public_id,
        "type": message.type,
        "subject": message.subject,
        "sequence": message.sequence,
        "created_at": format_time(message.created_at),
        "livemode": message.livemode,
        # Byte for byte what is signed and sent.
        "body": orjson.Fragment(bytes(message.body)),
        "deliveries": [_delivery(delivery) for delivery in message.deliveries.all()],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "endpoint": public_id("whe", delivery.endpoint_id),
        "state": delivery.state,
        "tries": delivery.tries,
    }
    if delivery.due_at is not None:
        answer["due_at"] = format_time(delivery.due_at)
    return answer
