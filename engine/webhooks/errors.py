"""Why an endpoint is refused."""

from __future__ import annotations

from engine.common.errors import Conflict, NotFound, Unprocessable


class EndpointNotFound(NotFound):
    code = "webhook_endpoint_not_found"
    title = "No such webhook endpoint"

    def __init__(self) -> None:
        super().__init__("There is no webhook endpoint with this id.")


class EventNotFound(NotFound):
    code = "event_not_found"
    title = "No such event"

    def __init__(self) -> None:
        super().__init__("There is no event with this id.")


class EndpointDisabled(Conflict):
    code = "webhook_endpoint_disabled"
    title = "The webhook endpoint is disabled"

    def __init__(self) -> None:
        super().__init__("Nothing is sent to this endpoint. Set its state to enabled first.")


class EndpointUrlRefused(Unprocessable):
    """The address is not one we send to; `reason` is a stable word."""

    code = "webhook_url_refused"
    title = "Webhooks cannot be sent there"


class TooManyEndpoints(Unprocessable):
    code = "too_many_webhook_endpoints"
    title = "There are enough webhook endpoints"

    def __init__(self, *, most: int) -> None:
        super().__init__(f"Delete one first: {most} endpoints are the most in one mode.")


class TooManyEvents(Unprocessable):
    """A range to send again holds more messages than one call may; `most` says how many."""

    code = "too_many_events"
    title = "There are too many events in this range"

    def __init__(self, *, most: int) -> None:
        super().__init__(
            f"There are more than {most:,} events between from and to. Send a shorter range"
            " again, then the next one.",
            most=most,
        )
