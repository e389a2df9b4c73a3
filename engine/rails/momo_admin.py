"""Accounts with mobile-money operators: how they do, what they sent, who connects them.

Keys come in and never go out: they are sealed as soon as they are typed, and no page, log
or message has them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from engine.common.asking import AskingAdmin
from engine.common.ids import parse_public_id, public_id
from engine.common.reading import ReadOnly, ReadOnlyAdmin
from engine.rails.models import MomoAccount, MomoCredentials, MomoSend, OperatorHealth
from engine.rails.momo.accounts import (
    AccountInvalid,
    connect_account,
    is_reachable,
    set_credentials,
)
from engine.rails.momo_forms import SECRETS, ConnectForm, KeysForm, ReasonForm
from engine.rails.momo_words import amount, breaker_state, health_of, latency, success_rate

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import Form
    from django.http import HttpRequest, HttpResponse

# Over how long callbacks are counted, and sends with them.
RECENT = timedelta(days=1)
NO_KEYS = "no keys"
STATES = {"pays": "success", "down": "danger", "switched off": "warning", NO_KEYS: "warning"}


class CredentialsInline(ReadOnly, TabularInline):  # type: ignore[misc]
    """Where and as whom, since when. The keys themselves are nobody's to read."""

    model = MomoCredentials
    verbose_name_plural = "how it is reached, the newest first"
    fields = ("base_url", "target_environment", "api_user", "user_agent", "created_at")
    readonly_fields = fields


@admin.register(MomoAccount)
class MomoAccountAdmin(ReadOnly, AskingAdmin):
    actions_list = ("connect",)
    actions_detail = ("new_keys", "switch_off", "switch_on")
    list_display = (
        "name", "network", "country", "mode", "standing", "balance", "rate", "answers"
    )  # fmt: skip
    list_filter = ("network", "country", "livemode", "is_enabled")
    search_fields = ("name",)
    inlines = (CredentialsInline,)
    fields = (
        ("name", "standing"),
        ("network", "country"),
        ("currency", "mode"),
        ("balance", "balance_at"),
        ("rate", "answers"),
        ("breaker", "why"),
        ("under_way", "needs_person"),
        "callbacks",
        "callback_url",
        "payee_note",
        "sends",
        "created_at",
    )

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what can be done to this account now."""
        account = self.get_object(request, unquote(str(object_id)))
        if account is None:
            return []
        unfit = "switch-on" if account.is_enabled else "switch-off"
        offered: list[Any] = super().get_actions_detail(request, object_id)
        return [one for one in offered if not one.path.endswith(unfit)]

    def has_connect_permission(self, request: HttpRequest, _account: Any = None) -> bool:
        return request.user.has_perm("rails.add_momoaccount")

    def has_switch_permission(self, request: HttpRequest, _account: Any = None) -> bool:
        return request.user.has_perm("rails.change_momoaccount")

    @admin.display(description="mode")
    def mode(self, account: MomoAccount) -> str:
        return "live" if account.livemode else "test"

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def standing(self, account: MomoAccount) -> str:
        if not account.is_enabled:
            return "switched off"
        if not account.credentials.exists():
            return NO_KEYS
        health = health_of(account)
        return "pays" if health is None or health.down_at is None else "down"

    @admin.display(description="balance", ordering="balance_units")
    def balance(self, account: MomoAccount) -> str:
        held = account.balance_units
        return amount(None if held is None else int(held), account.currency)

    @admin.display(description="good calls")
    def rate(self, account: MomoAccount) -> str:
        health = health_of(account)
        return "no call yet" if health is None else success_rate(health)

    @admin.display(description="answers in")
    def answers(self, account: MomoAccount) -> str:
        health = health_of(account)
        return "no answer yet" if health is None else latency(health)

    @admin.display(description="breaker")
    def breaker(self, account: MomoAccount) -> str:
        return breaker_state(health_of(account))

    @admin.display(description="the last trouble")
    def why(self, account: MomoAccount) -> str:
        health = health_of(account)
        return (health.why if health else "") or "none"

    @admin.display(description="under way")
    def under_way(self, account: MomoAccount) -> int:
        return account.sends.filter(finished_at=None).count()

    @admin.display(description="wait for a person")
    def needs_person(self, account: MomoAccount) -> int:
        return account.sends.filter(needs_person=True, finished_at=None).count()

    @admin.display(description="called back about")
    def callbacks(self, account: MomoAccount) -> str:
        recent = account.sends.filter(posted_at__gt=timezone.now() - RECENT)
        heard = recent.exclude(hinted_at=None)
        last = heard.order_by("-hinted_at").values_list("hinted_at", flat=True).first()
        told = f"{heard.count()} of {recent.count()} sends in {RECENT.days} day"
        return told if last is None else f"{told}, the last {timesince(last)} ago"

    @admin.display(description="sends")
    def sends(self, account: MomoAccount) -> str:
        return format_html(
            '<a class="zp-link" href="{}?account__id__exact={}">all of them</a>',
            reverse("admin:rails_momosend_changelist"),
            account.pk,
        )

    @action(  # type: ignore[untyped-decorator]
        description="Connect an account",
        url_path="connect",
        permissions=["connect"],
        variant=ActionVariant.PRIMARY,
    )
    def connect(self, request: HttpRequest) -> HttpResponse:
        """Ask for everything about a new account, then see whether the operator knows it."""
        return self._reach(request, None, ConnectForm(request.POST or None))

    @action(  # type: ignore[untyped-decorator]
        description="New keys", url_path="new-keys", permissions=["connect"]
    )
    def new_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for other keys, or another host; what is under way keeps its own."""
        account = cast("MomoAccount", self.find(request, object_id))
        newest = account.credentials.first()
        known = {
            name: getattr(newest, name, "")
            for name in KeysForm.base_fields
            if name not in SECRETS
        }
        return self._reach(request, account, KeysForm(request.POST or None, initial=known))

    @method_decorator(sensitive_post_parameters(*SECRETS))
    @sensitive_variables("asked", "form", "keys")
    def _reach(
        self, request: HttpRequest, account: MomoAccount | None, form: Form
    ) -> HttpResponse:
        if request.method == "POST" and form.is_valid():
            asked = form.cleaned_data
            keys = {name: asked.pop(name) for name in KeysForm.base_fields}
            try:
                with transaction.atomic():
                    reached = account or connect_account(**asked)
                    credentials = set_credentials(account=reached, **keys)
                    self.log_change(request, reached, f"Reached at {credentials.base_url}.")
            except AccountInvalid as error:
                form.add_error(None, str(error))
            else:
                self._say_whether_it_works(request, credentials)
                return HttpResponseRedirect(self.address("change", reached.pk))
        return self.ask(
            request,
            account,
            form,
            title="New keys" if account else "Connect an account",
            button="Use them" if account else "Connect",
            text="New payouts go out with these from now on. Keys are sealed at once, and"
            " nobody can read them here again.",
        )

    def _say_whether_it_works(self, request: HttpRequest, credentials: MomoCredentials) -> None:
        why = is_reachable(credentials)
        if why:
            messages.error(request, f"Kept. But the operator, asked for the balance, {why}.")
        else:
            messages.success(request, "The operator knows us.")

    @action(  # type: ignore[untyped-decorator]
        description="Switch off",
        url_path="switch-off",
        permissions=["switch"],
        variant=ActionVariant.DANGER,
    )
    def switch_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then let nothing new go out by it."""
        return self._switch(
            request,
            object_id,
            is_on=False,
            text="Nothing new goes out by this account. What is under way is asked about as"
            " before, and ends. New payouts of its country and currency are refused, or go"
            " out by another account of ours there.",
        )

    @action(  # type: ignore[untyped-decorator]
        description="Switch on", url_path="switch-on", permissions=["switch"]
    )
    def switch_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then let payouts go out by it again."""
        return self._switch(
            request, object_id, is_on=True, text="Payouts go out by this account again."
        )

    def _switch(
        self, request: HttpRequest, object_id: str, *, is_on: bool, text: str
    ) -> HttpResponse:
        account = cast("MomoAccount", self.find(request, object_id))
        form, word = ReasonForm(request.POST or None), "on" if is_on else "off"
        if request.method != "POST" or not form.is_valid():
            return self.ask(
                request,
                account,
                form,
                title=f"Switch this account {word}?",
                button=f"Switch {word}",
                text=text,
                is_grave=not is_on,
            )
        with transaction.atomic():
            changed = MomoAccount.objects.filter(pk=account.pk, is_enabled=not is_on)
            if changed.update(is_enabled=is_on):
                self.log_change(
                    request, account, f"Switched {word}: {form.cleaned_data['reason']}"
                )
        messages.success(request, f"{account} is switched {word}.")
        return HttpResponseRedirect(self.address("change", account.pk))


@admin.register(MomoSend)
class MomoSendAdmin(ReadOnlyAdmin):
    """One reference, and everything that an operator ever said of it."""

    list_display = (
        "reference", "account", "payee", "sends", "standing", "posts", "hinted_at",
        "created_at", "finished_at",
    )  # fmt: skip
    list_filter = (
        "account",
        "needs_person",
        ("finished_at", admin.EmptyFieldListFilter),
        ("hinted_at", admin.EmptyFieldListFilter),
        "failure_code",
    )
    list_select_related = ("account",)
    search_fields = ("=reference", "=payee")
    search_help_text = "A reference, a number without its plus, or a payout's id (pay_…)"
    fields = (
        ("reference", "payout"),
        ("account", "reached_at"),
        ("payee", "sends"),
        ("standing", "failure_code"),
        ("posts", "posted_at"),
        ("hinted_at", "seen_at"),
        ("misses", "last_missed_at"),
        "refused",
        "said",
        ("ask_at", "finished_at"),
        "created_at",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        payout_id = parse_public_id("pay", search_term.strip())
        if payout_id is not None:
            return queryset.filter(payout_id=payout_id), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    @admin.display(description="payout")
    def payout(self, send: MomoSend) -> str:
        return public_id("pay", send.payout_id)

    @admin.display(description="reached at")
    def reached_at(self, send: MomoSend) -> str:
        return f"{send.credentials.base_url} as {send.credentials.api_user}"

    @admin.display(description="sends")
    def sends(self, send: MomoSend) -> str:
        return amount(int(send.units), send.currency)

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={"paid": "success", "failed": "danger", "a person is asked": "danger"},
    )
    def standing(self, send: MomoSend) -> str:
        if send.finished_at:
            return "failed" if send.failure_code else "paid"
        if send.needs_person or send.refused:
            return "a person is asked"
        if send.seen_at:
            return "the operator has it"
        return "may be out" if send.is_out else "not sent yet"


@admin.register(OperatorHealth)
class OperatorHealthAdmin(ReadOnlyAdmin):
    list_display = ("network", "country", "standing", "rate", "answers", "why")
    fields = (("network", "country"), "standing", ("rate", "answers"), "breaker", "why")

    @display(description="state", label={"up": "success", "down": "danger"})  # type: ignore[untyped-decorator]
    def standing(self, health: OperatorHealth) -> str:
        return "up" if health.down_at is None else "down"

    @admin.display(description="good calls")
    def rate(self, health: OperatorHealth) -> str:
        return success_rate(health)

    @admin.display(description="answers in")
    def answers(self, health: OperatorHealth) -> str:
        return latency(health)

    @admin.display(description="breaker")
    def breaker(self, health: OperatorHealth) -> str:
        return breaker_state(health)
