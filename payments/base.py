"""What every endpoint of this door does: know the bearer, count the call, tell no cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from engine.common.forms import FormView
from engine.common.limits import RateLimit
from payments.authentication import BearerAuthentication, require_payout
from payments.codes import parse_payment_id
from payments.errors import PaymentNotFound
from payments.models import Payment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request

    from payments.authentication import Bearer

RATE_LIMIT = RateLimit()


class Endpoint(FormView):
    """One address of the API."""

    authentication_classes = (BearerAuthentication,)
    http_method_names: Sequence[str] = ("get", "head", "post")
    format_kwarg: str | None = None
    # The OpenAPI document is Connect's; this API has a page.
    schema = None
    bearer: Bearer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - DRF's signature
        """Who asks comes first: a stranger learns nothing of what she sent wrongly."""
        renderer = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = renderer
        self.bearer = request.auth  # type: ignore[assignment] # see BearerAuthentication
        self.allowance = RATE_LIMIT.count(
            self.bearer.token_id, per_minute=settings.RATE_LIMIT_PER_MINUTE
        )
        self.allowance.check()
        self.admit(request.method or "")

    def admit(self, method: str) -> None:  # noqa: ARG002 - some need less for some methods
        """Refuse a bearer who may not be here. Raises Forbidden."""
        require_payout(self.bearer)

    def find(self, payment_id: str) -> Payment:
        """The partner's payment of that id.

        Raises PaymentNotFound, the same for another's, the other mode's, and no id at all.
        """
        code = parse_payment_id(payment_id)
        payment = (
            None
            if code is None
            else Payment.objects.select_related("partner")
            .filter(code=code, partner_id=self.bearer.partner_id, livemode=self.bearer.livemode)
            .first()
        )
        if payment is None:
            raise PaymentNotFound
        return payment
