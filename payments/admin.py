"""Payments and tokens, as the people see them who look after partners.

Payments are read-only, and whom they went to is masked; what staff may do with one is to
pass its link on, and to end it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.forms import Script
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from engine.common.asking import AskingAdmin
from engine.common.reading import ReadOnlyAdmin
from payments import admin_tokens
from payments.admin_story import story_of
from payments.amounts import write_amount
from payments.codes import parse_payment_id
from payments.describing import describe_failure, payment_url
from payments.models import Payment
from payments.opening import has_live_payout
from payments.page_words import masked_name
from payments.services import expire_now

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

# Named so that Django's discovery of this module finds its pages too.
__all__ = ["admin_tokens"]

MODES = {"live": "success", "test": "info"}
STATES = {"pending": "warning", "succeeded": "success", "failed": "danger"}
OVER = "It is final already, or a payout of it is under way. Nothing was changed."


@admin.register(Payment)
class PaymentAdmin(AskingAdmin, ReadOnlyAdmin):
    actions_detail = ("expire",)
    list_display = (
        "public_id", "partner", "mode", "standing", "amount", "external_id", "created_at",
        "expires_at",
    )  # fmt: skip
    list_filter = (
        "status", "livemode", "currency", ("partner", admin.RelatedOnlyFieldListFilter)
    )  # fmt: skip
    list_select_related = ("partner",)
    search_fields = ("external_id__exact", "customer_id__exact")
    search_help_text = "An id (pay_…), an externalId, or a customer's id"
    ordering = ("-created_at", "-id")
    date_hierarchy = "created_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "public_id",
                    ("standing", "failure"),
                    ("partner", "mode"),
                    ("amount", "token"),
                    ("created_at", "expires_at"),
                    "finished_at",
                )
            },
        ),
        (
            "As it was asked for",
            {
                "fields": (
                    "description",
                    ("external_id", "key"),
                    ("customer_id", "customer"),
                    "shown_metadata",
                    "redirect_url",
                    "webhook_url",
                )
            },
        ),
    )
    change_form_outer_after_template = "admin/payments/payment/story.html"

    class Media:
        css = {"all": ("admin-webhooks.css",)}
        js = (Script("admin-copy.js", defer=True),)

    def has_expire_permission(self, request: HttpRequest, _payment: Any = None) -> bool:
        return request.user.has_perm("payments.expire_payment")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Payment], search_term: str
    ) -> tuple[QuerySet[Payment], bool]:
        """Find by the public id as well, which is no column."""
        code = parse_payment_id(search_term.strip())
        if code is not None:
            return queryset.filter(code=code), False
        results: tuple[QuerySet[Payment], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer the end of what can still end so."""
        payment = self.get_object(request, unquote(str(object_id)))
        if payment is None or payment.is_final or has_live_payout(payment):
            return []
        offered: list[Any] = super().get_actions_detail(request, object_id)
        return offered

    @admin.display(description="id", ordering="id")
    def public_id(self, payment: Payment) -> str:
        return payment.public_id

    @display(description="mode", ordering="livemode", label=MODES)  # type: ignore[untyped-decorator]
    def mode(self, payment: Payment) -> str:
        return "live" if payment.livemode else "test"

    @display(description="status", ordering="status", label=STATES)  # type: ignore[untyped-decorator]
    def standing(self, payment: Payment) -> str:
        return payment.status

    @admin.display(description="amount")
    def amount(self, payment: Payment) -> str:
        return f"{write_amount(payment.units, currency=payment.currency)} {payment.currency}"

    @admin.display(description="why")
    def failure(self, payment: Payment) -> str:
        code = payment.failure_code
        return f"{code}: {describe_failure(code)['message']}" if code else ""

    @admin.display(description="customer's name")
    def customer(self, payment: Payment) -> str:
        return masked_name(payment.customer_name)

    @admin.display(description="metadata")
    def shown_metadata(self, payment: Payment) -> str:
        text = json.dumps(payment.metadata, ensure_ascii=False, indent=2)
        return format_html('<pre class="zp-code">{}</pre>', text)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The payment; below it its link, its payouts, and what the partner was told."""
        payment = self.get_object(request, unquote(object_id))
        more = {} if payment is None else {"story": story_of(payment), "link": _link(payment)}
        page: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return page

    @action(  # type: ignore[untyped-decorator]
        description="Expire now",
        url_path="expire",
        permissions=["expire"],
        variant=ActionVariant.DANGER,
    )
    def expire(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether it is meant, then give the money back."""
        payment = cast("Payment", self.find(request, object_id))
        if request.method != "POST":
            return self.ask(
                request,
                payment,
                forms.Form(),
                title="Expire this payment?",
                button="Expire now",
                text=f"It fails for ever, {self.amount(payment)} go back to the partner's"
                " float, the partner is told, and the recipient's link ends.",
                is_grave=True,
            )
        with transaction.atomic():
            is_expired = expire_now(payment.pk)
            if is_expired:
                self.log_change(request, payment, "Expired by hand.")
        if is_expired:
            messages.success(request, f"{payment.public_id} has expired.")
        else:
            messages.warning(request, OVER)
        return HttpResponseRedirect(self.address("change", payment.pk))


def _link(payment: Payment) -> dict[str, str]:
    """The recipient's link, and a letter with it for the mail program of whoever reads it."""
    url = payment_url(payment)
    subject = f"{payment.partner.name}: how would you like to be paid?"
    letter = urlencode({"subject": subject, "body": url}).replace("+", "%20")
    return {"url": url, "mail": f"mailto:?{letter}"}
