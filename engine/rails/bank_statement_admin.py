"""What banks have told us, and what became of each transfer, as staff see it.

Nobody's name is on any page: statements hold them, so the files themselves are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminFileFieldWidget

from engine.common.asking import AskingAdmin
from engine.common.ids import parse_public_id
from engine.common.reading import ReadOnly, ReadOnlyAdmin
from engine.rails.bank.looks import why_person
from engine.rails.bank.reading import MEGABYTE, FileUnreadable
from engine.rails.bank.references import NETWORK
from engine.rails.bank.statements import read_bank_file
from engine.rails.bank_admin import euros
from engine.rails.models import BankLostFile, BankStatement, BankTransfer
from engine.rails.places import mask

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

# What each line of a file did, for people.
DID = {
    "arrived": "Arrived: the payout is delivered",
    "failed": "Failed: the funds go back",
    "seen": "The bank has it",
    "for_person": "Left to a person",
    "known": "Known before: nothing changed",
    "not_booked": "Not booked yet: nothing changed",
    "waits_for_person": "A person decides: nothing changed",
    "of_another_account": "On another account: nothing changed",
    "sum_without_details": "A sum without its transfers: nothing changed",
    "stranger": "Bears a name of ours, and is not ours: ask the bank",
    "unknown_file": "About a file that is not ours: nothing changed",
    "other_count": "The bank counted other transfers than we sent: nothing changed",
    "said_in_part": "Nothing was said of the others",
    "returned_late": "Alarm: came back after it had arrived; the books are as they were",
    "rejected_late": "Alarm: rejected after it had arrived; the books are as they were",
    "booked_twice": "Alarm: booked twice; the books are as they were",
    "paid_after_all": "Alarm: paid although it had failed; the books are as they were",
    "differs": "Alarm: not as it was sent; the books are as they were",
}


@admin.register(BankTransfer)
class BankTransferAdmin(ReadOnlyAdmin):
    list_display = (
        "end_to_end_id", "payout", "amount", "payee", "account", "state", "created_at"
    )  # fmt: skip
    list_filter = (
        ("why", admin.EmptyFieldListFilter),
        ("finished_at", admin.EmptyFieldListFilter),
        ("returned_at", admin.EmptyFieldListFilter),
        "is_recalled",
        "account",
    )
    list_select_related = ("account", "file")
    search_fields = ("=end_to_end_id",)
    search_help_text = "An EndToEndId, or a payout's id (pay_…)"
    fields = (
        "end_to_end_id",
        "payout",
        ("amount", "payee"),
        ("account", "file"),
        "remittance",
        "state",
        "said",
        ("created_at", "released_at"),
        ("seen_at", "finished_at", "returned_at"),
        "is_recalled",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankTransfer]:
        transfers: QuerySet[BankTransfer] = super().get_queryset(request)
        return transfers.defer("file__content_sealed")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        payout_id = parse_public_id("pay", search_term.strip())
        if payout_id is not None:
            return queryset.filter(payout_id=payout_id), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return found

    @admin.display(description="payout")
    def payout(self, transfer: BankTransfer) -> str:
        return f"pay_{transfer.payout_id.hex}"

    @admin.display(description="amount")
    def amount(self, transfer: BankTransfer) -> str:
        return euros(transfer.units)

    @admin.display(description="account paid")
    def payee(self, transfer: BankTransfer) -> str:
        return mask(transfer.iban, network=NETWORK)

    @admin.display(description="state")
    def state(self, transfer: BankTransfer) -> str:
        why = why_person(transfer)
        return state_of(transfer) + (f" · needs a person: {why}" if why else "")


def state_of(transfer: BankTransfer) -> str:
    """Where a transfer is, in a few words."""
    if transfer.finished_at:
        return f"failed: {transfer.failure_code}" if transfer.failure_code else "arrived"
    if transfer.seen_at:
        return "the bank has it"
    if transfer.file is None:
        return "waits for a file"
    return "waits for the bank" if transfer.file.handed_at else "waits to be taken"


class StatementForm(forms.Form):
    """A file that a bank has sent."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text="pain.002, camt.053 or camt.054"
    )

    def clean_file(self) -> Any:
        """Refuse by its size what would be large to read."""
        file = self.cleaned_data["file"]
        if file.size > settings.BANK_FILE_MB_MAX * MEGABYTE:
            raise ValidationError(f"It is larger than {settings.BANK_FILE_MB_MAX} MB.")
        return file


@admin.register(BankStatement)
class BankStatementAdmin(ReadOnly, AskingAdmin):
    """Each file from a bank, and what each of its lines did."""

    list_display = (
        "message_id", "kind", "file_name", "changed", "strangers", "read_by", "read_at"
    )  # fmt: skip
    list_filter = ("kind",)
    search_fields = ("=message_id", "file_name")
    actions_list = ("read",)
    fields = ("message_id", ("kind", "file_name"), ("changed", "strangers"), "told")
    readonly_fields = ("told",)
    change_form_outer_after_template = "admin/rails/bankstatement/lines.html"

    def has_read_permission(self, request: HttpRequest, _statement: Any = None) -> bool:
        return request.user.has_perm("rails.add_bankstatement")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        statement = self.get_object(request, object_id)
        lines = [] if statement is None else statement.lines
        told = [line | {"did": DID.get(line["did"], line["did"])} for line in lines]
        context = (extra_context or {}) | {"lines": told}
        page: HttpResponse = super().change_view(request, object_id, form_url, context)
        return page

    @admin.display(description="read")
    def told(self, statement: BankStatement) -> str:
        return f"by {statement.read_by}, {statement.read_at:%-d %b %Y %H:%M} UTC"

    @action(  # type: ignore[untyped-decorator]
        description="Read a bank's file",
        url_path="read",
        permissions=["read"],
        variant=ActionVariant.PRIMARY,
    )
    def read(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, read it, and show line by line what it changed."""
        form = StatementForm(request.POST or None, request.FILES or None)
        if request.method != "POST" or not form.is_valid():
            return self._ask(request, form)
        file = form.cleaned_data["file"]
        try:
            statement, is_new = read_bank_file(
                file.read(), file_name=file.name, by=cast("User", request.user).username
            )
        except FileUnreadable as refusal:
            form.add_error("file", f"{refusal} Nothing was changed.")
            return self._ask(request, form)
        if is_new:
            self.log_addition(request, statement, f"Read: {statement.changed} changed.")
            messages.success(request, f"Read. It changed {statement.changed} transfers.")
        else:
            messages.info(request, "This very file was read before: nothing was changed.")
        return HttpResponseRedirect(self.address("change", statement.pk))

    def _ask(self, request: HttpRequest, form: forms.Form) -> HttpResponse:
        return self.ask(
            request,
            None,
            form,
            title="Read a bank's file",
            button="Read it",
            text="What the bank has booked, rejected or returned ends its transfers; the next"
            " page says which. Reading a file again changes nothing.",
        )


@admin.register(BankLostFile)
class BankLostFileAdmin(ReadOnlyAdmin):
    """Files that a bank may have and this database forgot; what was in them waits."""

    list_display = ("message_id", "account", "found_at")
    list_filter = ("account",)
    fields = ("message_id", "account", "orders", "found_at")
