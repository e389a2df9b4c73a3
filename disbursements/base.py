"""What every endpoint of this door does: know who has signed, count the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from disbursements.authentication import SignedRequest
from disbursements.errors import respond_to_error
from disbursements.serializers import NoQuery
from engine.common.forms import FormView
from engine.common.limits import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rest_framework.request import Request
    from rest_framework.response import Response

    from disbursements.authentication import Merchant

RATE_LIMIT = RateLimit()


class Endpoint(FormView):
    """One address of the API."""

    authentication_classes = (SignedRequest,)
    http_method_names: Sequence[str] = ("get", "head", "post")
    format_kwarg: str | None = None
    # The OpenAPI document is Connect's; this API has a page.
    schema = None
    merchant: Merchant

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - DRF's signature
        """Who asks comes first: a stranger learns nothing of what she sent wrongly."""
        renderer = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = renderer
        self.merchant = request.auth  # type: ignore[assignment] # see SignedRequest
        RATE_LIMIT.take(self.merchant.key_id, per_minute=settings.RATE_LIMIT_PER_MINUTE)
        if request.method == "POST":
            self.query(NoQuery)

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return respond_to_error
