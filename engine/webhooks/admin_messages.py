"""One message and all that became of it, and sending it again, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponseRedirect
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminRadioSelectWidget

from engine.common.asking import AskingAdmin
from engine.common.ids import parse_public_id
from engine.webhooks import services
from engine.webhooks.errors import EndpointDisabled
from engine.webhooks.inspecting import shown_deliveries, shown_json
from engine.webhooks.models import Endpoint, EndpointState, Message
from engine.webhooks.reads import RESEND_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

OVER = 409
SENT_AGAIN = "Sent again to {} endpoints."


class ResendForm(forms.Form):
    """To whom: everybody who wants it, or one endpoint."""

    to = forms.ChoiceField(label="To", widget=UnfoldAdminRadioSelectWidget)

    def __init__(self, message: Message, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        endpoints = Endpoint.objects.filter(
            partner_id=message.partner_id,
            livemode=message.livemode,
            dialect=message.dialect,
            state=EndpointState.ENABLED,
        ).order_by("-created_at", "-id")
        others = () if message.url else endpoints.exclude(url="")
        self.fields["to"].choices = [  # type: ignore[attr-defined] # a ChoiceField, above
            ("all", message.url or "Every enabled endpoint that wants it or got it before"),
            *((endpoint.public_id, endpoint.url) for endpoint in others),
        ]
        self.initial = {"to": "all"}


class MessageActions(AskingAdmin):
    """Sending again: one message by its page, a selection by the list."""

    actions: Sequence[str] | None = ("resend_selected",)
    actions_detail = ("resend",)

    def has_resend_permission(self, request: HttpRequest, _message: Any = None) -> bool:
        return request.user.has_perm("webhooks.resend_message")

    @action(  # type: ignore[untyped-decorator]
        description="Send again",
        url_path="resend",
        permissions=["resend"],
        variant=ActionVariant.PRIMARY,
    )
    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask to whom, then set it going with its id and its bytes."""
        message = cast("Message", self.find(request, object_id))
        form = ResendForm(message, request.POST if request.method == "POST" else None)
        if request.method != "POST" or not form.is_valid():
            return self._ask_to_whom(request, message, form)
        try:
            with transaction.atomic():
                count = services.resend(
                    [message], endpoint_id=parse_public_id("whe", form.cleaned_data["to"])
                )
                if count:
                    self.log_change(request, message, SENT_AGAIN.format(count))
        except EndpointDisabled as error:
            form.add_error(None, error.message)
            return self._ask_to_whom(request, message, form, status=OVER)
        _tell(request, 1, count)
        return HttpResponseRedirect(self.address("change", message.pk))

    @admin.action(description="Send again", permissions=["resend"])
    def resend_selected(self, request: HttpRequest, chosen: QuerySet[Message]) -> None:
        """Send a selection again, the oldest first; each leaves its own entry in the log."""
        found = list(chosen.order_by("id")[: RESEND_MAX + 1])
        if len(found) > RESEND_MAX:
            messages.error(request, f"At most {RESEND_MAX:,} messages go again at once.")
            return
        with transaction.atomic():
            count = services.resend(found)
            if count:
                LogEntry.objects.log_actions(
                    user_id=cast("User", request.user).pk,
                    queryset=found,
                    action_flag=CHANGE,
                    change_message=f"Sent again, one of {len(found)}.",
                )
        _tell(request, len(found), count)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Refuse an action that this person was not offered, and not merely ignore it."""
        is_action = request.method == "POST" and "action" in request.POST
        if is_action and not self.has_resend_permission(request):
            raise PermissionDenied
        page: HttpResponse = super().changelist_view(request, extra_context)
        return page

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The message, and below it every attempt at every endpoint."""
        message = cast("Message | None", self.get_object(request, unquote(object_id)))
        more: dict[str, Any] = {}
        if message is not None:
            deliveries = shown_deliveries(message)
            more = {
                "deliveries": deliveries,
                "is_untried": not any(delivery.attempts for delivery in deliveries),
                "body": shown_json(bytes(message.body)),
            }
        page: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return page

    def _ask_to_whom(
        self, request: HttpRequest, message: Message, form: ResendForm, *, status: int = 200
    ) -> HttpResponse:
        return self.ask(
            request,
            message,
            form,
            title="Send this message again?",
            button="Send again",
            text="It has the same id and the same bytes, and a fresh signature. A receiver"
            " that remembers ids knows that it has seen it.",
            status=status,
        )


def _tell(request: HttpRequest, chosen: int, count: int) -> None:
    if count:
        messages.success(
            request,
            f"On the way: {_counted(chosen, 'message')}, {_counted(count, 'delivery')}.",
        )
    else:
        messages.warning(request, "Nothing was sent: no enabled endpoint wants it.")


def _counted(count: int, word: str) -> str:
    many = {"message": "messages", "delivery": "deliveries"}[word]
    return f"{count:,} {word if count == 1 else many}"
