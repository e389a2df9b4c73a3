"""Switching an endpoint on and off in the admin, and what went to it lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import Http404, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.utils import display_for_label

from engine.common.asking import AskingAdmin
from engine.webhooks import services
from engine.webhooks.inspecting import COLOURS, shown_moment
from engine.webhooks.models import Delivery, Endpoint, EndpointState

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SHOWN_MAX = 50
SWITCHED_OFF = "Staff switched it off."


class EndpointActions(AskingAdmin):
    """Two verbs behind one permission: whoever may switch off may switch on."""

    actions_detail = ("enable", "disable")

    def has_switch_permission(self, request: HttpRequest, _endpoint: Any = None) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what can be done to this endpoint now."""
        endpoint = self.get_object(request, unquote(str(object_id)))
        if endpoint is None or endpoint.deleted_at is not None:
            return []
        is_enabled = endpoint.state == EndpointState.ENABLED
        offer = {"enable"} if not is_enabled else {"disable"}
        if is_enabled and endpoint.failures:
            # What is left alone for a while may be asked again at once.
            offer.add("enable")
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.path in offer]

    @action(  # type: ignore[untyped-decorator]
        description="Enable again",
        url_path="enable",
        permissions=["switch"],
        variant=ActionVariant.PRIMARY,
    )
    def enable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then send to it again, beginning with what waited."""
        endpoint = self._standing(request, object_id)
        if request.method != "POST":
            return self.ask(
                request,
                endpoint,
                forms.Form(),
                title="Send to this endpoint again?",
                button="Enable again",
                text=f"{endpoint.waiting} waiting deliveries go out at once, and its earlier"  # type: ignore[attr-defined] # annotated
                " failures are forgotten. What happened while it was disabled is not among"
                " them: send those messages again.",
            )
        with transaction.atomic():
            services.enable(endpoint_id=endpoint.pk)
            self.log_change(request, endpoint, "Enabled again.")
        return self._back(request, endpoint, "It is enabled. What waited is on its way.")

    @action(  # type: ignore[untyped-decorator]
        description="Disable",
        url_path="disable",
        permissions=["switch"],
        variant=ActionVariant.DANGER,
    )
    def disable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then send nothing more to it."""
        endpoint = self._standing(request, object_id)
        if request.method != "POST":
            return self.ask(
                request,
                endpoint,
                forms.Form(),
                title="Send nothing more to this endpoint?",
                button="Disable",
                text="What it is owed waits until somebody enables it. What happens until"
                " then has to be sent again by hand.",
                is_grave=True,
            )
        if endpoint.state == EndpointState.ENABLED:
            with transaction.atomic():
                services.disable(endpoint_id=endpoint.pk, reason=SWITCHED_OFF)
                self.log_change(request, endpoint, "Disabled.")
        return self._back(request, endpoint, "It is disabled. Nothing is sent there.")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The endpoint, and below it the newest of what went there."""
        endpoint = self.get_object(request, unquote(object_id))
        more = {"recent": _recent(endpoint)} if endpoint is not None else {}
        page: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return page

    def _standing(self, request: HttpRequest, object_id: str) -> Endpoint:
        endpoint = cast("Endpoint", self.find(request, object_id))
        if endpoint.deleted_at is not None:
            raise Http404
        return endpoint

    def _back(self, request: HttpRequest, endpoint: Endpoint, text: str) -> HttpResponse:
        messages.success(request, text)
        return HttpResponseRedirect(self.address("change", endpoint.pk))


def _recent(endpoint: Endpoint) -> dict[str, Any]:
    """The newest deliveries as a table of unfold's."""
    newest = (
        Delivery.objects.filter(endpoint=endpoint)
        .select_related("message")
        .defer("message__body")
        .order_by("-pk")[:SHOWN_MAX]
    )
    return {
        "headers": ["Message", "About", "State", "Tries", "Since", "Next attempt"],
        "rows": [
            [
                format_html(
                    '<a class="zp-link" href="{}">{}</a>',
                    reverse("admin:webhooks_message_change", args=[delivery.message_id]),
                    delivery.message.type,
                ),
                format_html('<span class="zp-break">{}</span>', delivery.message.subject),
                display_for_label((delivery.state, delivery.get_state_display()), "", COLOURS),
                delivery.tries,
                shown_moment(delivery.created_at),
                shown_moment(delivery.due_at) or "",
            ]
            for delivery in newest
        ],
    }
