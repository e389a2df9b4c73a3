"""Where a partner wants to be told, what it was told, and telling it again.

Creating an endpoint and rolling its secret honour no Idempotency-Key: their answers hold a
secret, and a stored answer would keep it readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from rest_framework.response import Response

from connect import webhook_openapi as openapi
from connect.base import Endpoint
from connect.door import CONNECT
from connect.serializers import NoQuery, NothingForm, PageQuery
from connect.webhook_answers import endpoint_answer, event_answer
from connect.webhook_forms import (
    EventsQuery,
    ResendForm,
    ResendRangeForm,
    WebhookEndpointChangeForm,
    WebhookEndpointForm,
)
from engine.common.ids import parse_public_id
from engine.common.times import format_time
from engine.partners.models import Scope
from engine.payouts.cursors import page, read_cursor
from engine.payouts.reads import Position
from engine.webhooks import services
from engine.webhooks.models import EndpointState
from engine.webhooks.reads import Outbox

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from engine.webhooks.models import Endpoint as EndpointRow
    from engine.webhooks.models import Message

ENDPOINTS, EVENTS = "webhook_endpoints", "events"
SWITCHED_OFF = "The partner disabled it."
READ, WRITE = Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE


class Webhooks(Endpoint):
    """What the endpoints below have in common: whose outbox it is."""

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.caller.partner_id, self.caller.livemode, CONNECT.dialect)

    def endpoint(self, public_id: str) -> EndpointRow:
        """The caller's endpoint. Raises EndpointNotFound for any other, and for no id."""
        return self.outbox.endpoint(parse_public_id("whe", public_id))

    def event(self, public_id: str) -> Message:
        """The caller's message. Raises EventNotFound for any other, and for no id."""
        return self.outbox.message(parse_public_id("evt", public_id))

    def endpoint_id_in(self, form: dict[str, Any]) -> UUID | None:
        """The key of the endpoint that a body names, if it names one."""
        return self.endpoint(form["endpoint"]).pk if "endpoint" in form else None


class WebhookEndpoints(Webhooks):
    scopes = {"GET": READ, "POST": WRITE}

    @openapi.create_endpoint
    def post(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        form, caller = self.read(WebhookEndpointForm), self.caller
        endpoint, secret = services.create_endpoint(
            partner_id=caller.partner_id,
            livemode=caller.livemode,
            url=form["url"],
            types=form.get("types", []),
            dialect=CONNECT.dialect,
            description=form.get("description", ""),
        )
        return Response(endpoint_answer(endpoint) | {"secret": secret}, status=201)

    @openapi.list_endpoints
    def get(self, request: Request) -> Response:  # noqa: ARG002 - as above
        query = self.query(PageQuery)
        rows = self.outbox.endpoints(
            limit=query["limit"] + 1,
            after=read_cursor(query.get("cursor"), list_name=ENDPOINTS),
        )
        return Response(
            page(
                rows,
                limit=query["limit"],
                list_name=ENDPOINTS,
                place=_place,
                describe=endpoint_answer,
            )
        )


class OneWebhookEndpoint(Webhooks):
    http_method_names = ("get", "head", "patch", "delete")
    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}

    @openapi.get_endpoint
    def get(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        return Response(endpoint_answer(self.endpoint(endpoint_id)))

    @openapi.change_endpoint
    def patch(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 - as above
        form = self.read(WebhookEndpointChangeForm)
        endpoint = self.endpoint(endpoint_id)
        state = form.pop("state", None)
        with transaction.atomic():
            services.change_endpoint(endpoint_id=endpoint.pk, **form)
            if state == EndpointState.ENABLED:
                services.enable(endpoint_id=endpoint.pk)
            elif state is not None and endpoint.state != EndpointState.DISABLED:
                services.disable(endpoint_id=endpoint.pk, reason=SWITCHED_OFF)
        return Response(endpoint_answer(self.endpoint(endpoint_id)))

    @openapi.delete_endpoint
    def delete(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 - as above
        services.delete_endpoint(endpoint_id=self.endpoint(endpoint_id).pk)
        return Response(b"", status=204)


class SecretRoll(Webhooks):
    scopes = {"POST": WRITE}

    @openapi.roll_secret
    def post(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 - as above
        self.read(NothingForm)
        endpoint = self.endpoint(endpoint_id)
        with transaction.atomic():
            secret = services.roll_secret(endpoint_id=endpoint.pk)
            endpoint.refresh_from_db(fields=["old_secret_until"])
        until = endpoint.old_secret_until
        return Response(
            {"secret": secret, "old_secret_until": format_time(until) if until else None}
        )


class EndpointTest(Webhooks):
    scopes = {"POST": WRITE}
    keyed = frozenset({"POST"})

    @openapi.send_test
    def post(self, request: Request, endpoint_id: str) -> Response:  # noqa: ARG002 - as above
        return self.answer_once(lambda: self._send(endpoint_id), status=202)

    def _send(self, endpoint_id: str) -> dict[str, Any]:
        self.read(NothingForm)
        message = services.send_test(endpoint=self.endpoint(endpoint_id))
        return {"event": message.public_id}


class Events(Webhooks):
    scopes = {"GET": READ}

    @openapi.list_events
    def get(self, request: Request) -> Response:  # noqa: ARG002 - as above
        query = self.query(EventsQuery)
        rows = self.outbox.messages(
            types=query.get("type"),
            subject=query.get("subject"),
            since=query.get("from"),
            until=query.get("to"),
            after=read_cursor(query.get("cursor"), list_name=EVENTS),
            limit=query["limit"] + 1,
        )
        return Response(
            page(
                rows,
                limit=query["limit"],
                list_name=EVENTS,
                place=_place,
                describe=event_answer,
            )
        )


class OneEvent(Webhooks):
    scopes = {"GET": READ}

    @openapi.get_event
    def get(self, request: Request, event_id: str) -> Response:  # noqa: ARG002 - as above
        self.query(NoQuery)
        return Response(event_answer(self.event(event_id)))


class EventResend(Webhooks):
    scopes = {"POST": WRITE}
    keyed = frozenset({"POST"})

    @openapi.resend_event
    def post(self, request: Request, event_id: str) -> Response:  # noqa: ARG002 - as above
        return self.answer_once(lambda: self._resend(event_id), status=202)

    def _resend(self, event_id: str) -> dict[str, Any]:
        form = self.read(ResendForm)
        message = self.event(event_id)
        sent = services.resend([message], endpoint_id=self.endpoint_id_in(form))
        return {"deliveries": sent}


class RangeResend(Webhooks):
    scopes = {"POST": WRITE}
    keyed = frozenset({"POST"})

    @openapi.resend_events
    def post(self, request: Request) -> Response:  # noqa: ARG002 - as above
        return self.answer_once(self._resend, status=202)

    def _resend(self) -> dict[str, Any]:
        form = self.read(ResendRangeForm)
        endpoint_id = self.endpoint_id_in(form)
        messages = self.outbox.messages_to_resend(
            since=form["from"], until=form["to"], types=form.get("types") or None
        )
        sent = services.resend(messages, endpoint_id=endpoint_id)
        return {"events": len(messages), "deliveries": sent}


def _place(row: EndpointRow | Message) -> Position:
    return Position(row.created_at, row.pk)
