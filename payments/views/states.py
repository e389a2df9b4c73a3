"""One payment: as it stands, and answered view by view by a form of the partner's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import translation
from rest_framework.response import Response

from payments.authentication import require_form, require_payout
from payments.base import Endpoint
from payments.describing import describe
from payments.serializers import LanguageQuery, NoQuery, StateForm, ViewsQuery
from payments.states_api import follow, views_document

if TYPE_CHECKING:
    from rest_framework.request import Request


class OnePayment(Endpoint):
    """What became of it; a POST takes the form one view further."""

    def admit(self, method: str) -> None:
        """The form is its recipient's, and needs no right to see a partner's payments."""
        (require_form if method == "POST" else require_payout)(self.bearer)

    def get(self, request: Request, payment_id: str) -> Response:  # noqa: ARG002 - DRF's signature
        self.query(NoQuery)
        return Response(describe(self.find(payment_id)))

    def post(self, request: Request, payment_id: str) -> Response:  # noqa: ARG002 - as above
        language = self.query(LanguageQuery).get("lang")
        payment = self.find(payment_id)
        form = self.read(StateForm)
        with translation.override(language or translation.get_language()):
            state = follow(payment, form.get("view"), form.get("fields", {}))
        payment.refresh_from_db()
        return Response(describe(payment) | {"state": state})


class Views(Endpoint):
    """The form's questions, for whoever draws it herself."""

    http_method_names = ("get", "head")

    def admit(self, method: str) -> None:  # noqa: ARG002 - one method
        require_form(self.bearer)

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        query = self.query(ViewsQuery)
        with translation.override(query.get("lang") or translation.get_language()):
            told = views_document(livemode=self.bearer.livemode, currency=query.get("currency"))
        return Response(told)
