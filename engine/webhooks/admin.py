"""What partners are told, as the people who look after them see it.

Nothing here is written by hand: endpoints are switched, messages are sent again, and both
go through services. No page shows a secret or a signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import Script
from django.utils.text import Truncator
from unfold.decorators import display

from engine.common.ids import parse_public_id
from engine.common.reading import ReadOnlyAdmin
from engine.webhooks.admin_endpoints import EndpointActions
from engine.webhooks.admin_messages import MessageActions
from engine.webhooks.inspecting import COLOURS, shown_moment
from engine.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint, Message

if TYPE_CHECKING:
    from django.http import HttpRequest

MODES = {"live": "success", "test": "info"}
STATES = {"enabled": "success", "failing": "warning", "disabled": "danger"}
# An endpoint's last attempt is looked for among so many of its newest deliveries.
NEWEST = 50
ADDRESS_SHOWN = 48


def moment(column: str, description: str) -> Any:
    """A column that is a moment, to the second."""

    @admin.display(description=description, ordering=column)
    def shown(_admin: Any, row: Any) -> str | None:
        return shown_moment(getattr(row, column))

    return shown


class OutboxAdmin(ReadOnlyAdmin):
    """What both lists have in common."""

    list_select_related = ("partner",)
    id_prefix = ""

    class Media:
        css = {"all": ("admin-webhooks.css",)}
        js = (Script("admin-copy.js", defer=True),)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the public id as well, which is no column."""
        key = parse_public_id(self.id_prefix, search_term.strip())
        if key is not None:
            return queryset.filter(pk=key), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    @admin.display(description="Id")
    def shown_id(self, row: Endpoint | Message) -> str:
        return row.public_id

    @display(description="Mode", ordering="livemode", label=MODES)  # type: ignore[untyped-decorator]
    def mode(self, row: Endpoint | Message) -> str:
        return "live" if row.livemode else "test"


class StandingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [(word, word.capitalize()) for word in (*STATES, "deleted")]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Endpoint],
    ) -> QuerySet[Endpoint]:
        match self.value():
            case "deleted":
                return queryset.filter(deleted_at__isnull=False)
            case "failing":
                return queryset.filter(state="enabled", failing_since__isnull=False)
            case "enabled" | "disabled" as state:
                return queryset.filter(state=state, deleted_at__isnull=True)
        return queryset


@admin.register(Endpoint)
class EndpointAdmin(EndpointActions, OutboxAdmin):
    id_prefix = "whe"
    list_display = (
        "short_address", "partner", "mode", "dialect", "standing", "failing", "pending",
        "last_attempt",
    )  # fmt: skip
    list_filter = (StandingFilter, "livemode", "partner")
    search_fields = ("url", "partner__name")
    search_help_text = "An id (whe_…), a part of the address, or a partner"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "whole_address",
                    "shown_id",
                    "description",
                    ("partner", "mode"),
                    ("standing", "disabled_reason"),
                    ("type_list", "dialect"),
                )
            },
        ),
        (
            "How it goes",
            {
                "fields": (
                    ("pending", "last_attempt"),
                    ("failing", "failures"),
                    ("paused", "old_secret_ends"),
                    ("created", "deleted"),
                )
            },
        ),
    )
    change_form_outer_after_template = "admin/webhooks/endpoint/deliveries.html"

    last_attempt = moment("attempted_at", "Last attempt")
    failing = moment("failing_since", "Failing since")
    paused = moment("paused_until", "Left alone until")
    old_secret_ends = moment("old_secret_until", "Old secret signs until")
    created = moment("created_at", "Created")
    deleted = moment("deleted_at", "Deleted")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        """Endpoints with what waits for each, and when each was last asked."""
        waiting = (
            Delivery.objects.filter(endpoint=OuterRef("pk"), due_at__isnull=False)
            .order_by()
            .values("endpoint")
            .annotate(count=Count("pk"))
            .values("count")
        )
        newest = (
            Delivery.objects.filter(endpoint=OuterRef(OuterRef("pk")))
            .order_by("-pk")
            .values("pk")[:NEWEST]
        )
        attempts = Attempt.objects.filter(delivery__in=newest).order_by("-at").values("at")
        endpoints: QuerySet[Endpoint] = super().get_queryset(request)
        return endpoints.annotate(
            waiting=Coalesce(Subquery(waiting), 0), attempted_at=Subquery(attempts[:1])
        )

    @admin.display(description="Address", ordering="url")
    def short_address(self, endpoint: Endpoint) -> str:
        shown = endpoint.url.partition("://")[2] or str(endpoint)
        return Truncator(shown).chars(ADDRESS_SHOWN)

    @admin.display(description="Address")
    def whole_address(self, endpoint: Endpoint) -> str:
        return str(endpoint)

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]
    def standing(self, endpoint: Endpoint) -> str:
        if endpoint.deleted_at is not None:
            return "deleted"
        return "failing" if self._is_failing(endpoint) else str(endpoint.state)

    @admin.display(description="Types")
    def type_list(self, endpoint: Endpoint) -> str:
        return ", ".join(endpoint.types) or "all"

    @admin.display(description="Waiting", ordering="waiting")
    def pending(self, endpoint: Endpoint) -> int:
        count: int = endpoint.waiting  # type: ignore[attr-defined] # annotated above
        return count

    def _is_failing(self, endpoint: Endpoint) -> bool:
        return endpoint.state == "enabled" and endpoint.failing_since is not None


class OutcomeFilter(admin.SimpleListFilter):
    title = "delivery"
    parameter_name = "delivery"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        return [
            (DeliveryState.PENDING, "Waiting somewhere"),
            (DeliveryState.DEAD, "Given up somewhere"),
        ]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Message],
    ) -> QuerySet[Message]:
        if self.value() is None:
            return queryset
        return queryset.filter(
            Exists(Delivery.objects.filter(message=OuterRef("pk"), state=self.value()))
        )


@admin.register(Message)
class MessageAdmin(MessageActions, OutboxAdmin):
    id_prefix = "evt"
    list_display = (
        "told_at", "type", "subject", "partner", "mode", "arrived"
    )  # fmt: skip
    list_filter = (OutcomeFilter, "livemode", "partner")
    search_fields = ("subject__exact",)
    search_help_text = "An id (evt_…), or what it is about (pay_…)"
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "subject",
                    "shown_id",
                    ("type", "sequence"),
                    ("partner", "mode"),
                    ("door", "told_at"),
                )
            },
        ),
    )
    change_form_outer_after_template = "admin/webhooks/message/timeline.html"

    told_at = moment("created_at", "Told")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        messages: QuerySet[Message] = super().get_queryset(request)
        return messages.prefetch_related("deliveries")

    @display(description="Deliveries", label=COLOURS)  # type: ignore[untyped-decorator]
    def arrived(self, message: Message) -> tuple[str, str] | str:
        """The worst of what became of it, and at how many endpoints."""
        states = [delivery.state for delivery in message.deliveries.all()]
        for state in (DeliveryState.DEAD, DeliveryState.PENDING, DeliveryState.DELIVERED):
            if state in states:
                count = f"{states.count(state)} of {len(states)} " if len(states) > 1 else ""
                return state, f"{count}{state.label}"
        return "nobody listens"
