"""Our accounts at banks, and the files to take there, as staff see them.

Nobody's name is on any page: the bank needs them, and nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant

from engine.common.asking import AskingAdmin
from engine.common.reading import ReadOnly
from engine.common.secrets import SealBroken
from engine.common.units import format_units
from engine.rails.bank.files import ContentLost
from engine.rails.bank.folders import (
    HandedOver,
    TakenBefore,
    goes_by_folder,
    hand_over,
    is_marked,
    place_again,
)
from engine.rails.bank.ibans import is_bic, read_iban
from engine.rails.bank.references import SCALE
from engine.rails.errors import DestinationInvalid
from engine.rails.models import BankAccount, BankFile

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest


def euros(units: int) -> str:
    return f"{format_units(units, scale=SCALE)} EUR"


class BankAccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses what no bank would take."""

    class Meta:
        model = BankAccount
        fields = (
            "name", "livemode", "holder", "iban", "bic", "is_enabled", "delivery",
            "batch_seconds", "cut_off", "silent_hours", "books_singly", "settles_on_acsc",
            "remittance",
        )  # fmt: skip

    def clean_iban(self) -> str:
        try:
            return read_iban(self.cleaned_data["iban"]).text
        except DestinationInvalid as refusal:
            raise ValidationError(refusal.message) from None

    def clean_bic(self) -> str:
        bic: str = self.cleaned_data["bic"].replace(" ", "").upper()
        if not is_bic(bic):
            raise ValidationError("That is not a BIC: 8 or 11 letters and digits.")
        return bic


class CopyForm(forms.Form):
    """Asks for the second consent that a second copy needs."""

    is_copy_meant = forms.BooleanField(label="The bank never had it: give me a second copy")


@admin.register(BankAccount)
class BankAccountAdmin(ModelAdmin):  # type: ignore[misc]
    """What an account is never changes; how it is used may."""

    form = BankAccountForm
    actions = None
    list_display = ("name", "holder", "iban", "delivery", "livemode", "is_enabled")
    list_filter = ("livemode", "is_enabled", "delivery")
    fields = (
        ("name", "livemode"),
        "holder",
        ("iban", "bic"),
        "is_enabled",
        "delivery",
        ("batch_seconds", "cut_off"),
        "silent_hours",
        "books_singly",
        "settles_on_acsc",
        "remittance",
    )

    def get_readonly_fields(self, _request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "livemode", "iban") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        if obj is None:
            return form

        # What is shown and not asked for has nothing to be cleaned.
        class Kept(form):  # type: ignore[misc, valid-type]
            clean_iban = None

        return Kept

    def has_delete_permission(self, *_: object) -> bool:
        return False


@admin.register(BankFile)
class BankFileAdmin(ReadOnly, AskingAdmin):
    """A file is taken once, by whoever takes it first; the same bytes again only on purpose."""

    list_display = (
        "message_id", "account", "transfers", "amount", "executes_on", "created_at", "state"
    )  # fmt: skip
    list_filter = ("account", ("handed_at", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
    search_fields = ("=message_id", "=orders__end_to_end_id")
    search_help_text = "A MsgId, or an EndToEndId that is in it"
    actions_detail = ("take", "put_again")
    fields = (
        "message_id",
        ("account", "executes_on"),
        ("transfers", "amount"),
        "digest_text",
        "created_at",
        "state",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankFile]:
        files: QuerySet[BankFile] = super().get_queryset(request)
        return files.defer("content_sealed")

    @admin.display(description="amount")
    def amount(self, file: BankFile) -> str:
        return euros(file.units)

    @admin.display(description="SHA-256")
    def digest_text(self, file: BankFile) -> str:
        return bytes(file.digest).hex()

    @admin.display(description="state")
    def state(self, file: BankFile) -> str:
        if file.handed_at is None:
            if _may_be_taken(file):
                return "may be taken: somebody began to, or a house before the restore did"
            return "waits for its folder" if goes_by_folder(file) else "waits to be taken"
        return f"taken by {file.handed_by}, {file.handed_at:%-d %b %Y %H:%M} UTC"

    def has_take_permission(self, request: HttpRequest, _file: Any = None) -> bool:
        return request.user.has_perm("rails.hand_over_bankfile")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer the one way by which this file goes."""
        file = self.get_object(request, str(object_id))
        if file is None:
            return []
        way = "put-again" if goes_by_folder(file) else "take"
        offered = super().get_actions_detail(request, object_id)
        is_due = way == "take" or file.handed_at is not None or _may_be_taken(file)
        return [one for one in offered if one.path == way and is_due]

    @action(  # type: ignore[untyped-decorator]
        description="Take to the bank",
        url_path="take",
        permissions=["take"],
        variant=ActionVariant.PRIMARY,
    )
    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then give the file; who was the first is kept."""
        file = cast("BankFile", self.find(request, object_id))
        if request.method != "POST":
            return self._ask_to_take(request, file, is_copy=_had_before(file))
        consent = CopyForm(request.POST)
        try:
            content, is_first = hand_over(
                file.pk,
                by=cast("User", request.user).username,
                is_copy_meant=consent.is_valid(),
            )
        except TakenBefore:
            # Her page may be older than what somebody else has done since.
            file.refresh_from_db()
            return self._ask_to_take(request, file, is_copy=True)
        except (HandedOver, ContentLost, SealBroken, OSError) as refusal:
            messages.error(request, f"Nothing was given: {refusal}")
            return HttpResponseRedirect(self.address("change", file.pk))
        self.log_change(request, file, "Taken." if is_first else "Taken once more.")
        answer = HttpResponse(content, content_type="application/xml")
        answer["Content-Disposition"] = f'attachment; filename="{file.message_id}.xml"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    def _ask_to_take(
        self, request: HttpRequest, file: BankFile, *, is_copy: bool
    ) -> HttpResponse:
        text = (
            f"It pays {file.transfers} transfers, {euros(file.units)} in all. Upload it at the"
            " bank once. It counts as taken from now on, by you."
        )
        if is_copy:
            text = (
                f"It is {self.state(file)}. At the bank twice, it may be paid twice. These are"
                " the same bytes: take them only if the bank never had the file."
            )
        return self.ask(
            request,
            file,
            CopyForm() if is_copy else forms.Form(),
            title="Take this file to the bank?",
            button="Take it",
            text=text,
            is_grave=is_copy,
        )

    @action(  # type: ignore[untyped-decorator]
        description="Put into the folder again",
        url_path="put-again",
        permissions=["take"],
        variant=ActionVariant.DANGER,
    )
    def put_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then write the same bytes under the same name once more."""
        file = cast("BankFile", self.find(request, object_id))
        if request.method != "POST":
            return self.ask(
                request,
                file,
                forms.Form(),
                title="Put this file into its folder again?",
                button="Put it there",
                text="Do this only if you know that the bank never had it. These are the same"
                " bytes under the same MsgId; at the bank twice, they may be paid twice.",
                is_grave=True,
            )
        try:
            place_again(file)
        except (HandedOver, ContentLost, SealBroken, OSError) as refusal:
            messages.error(request, f"Nothing was written: {refusal}")
        else:
            self.log_change(request, file, "Put into the folder again.")
            messages.success(request, "It is in the folder again.")
        return HttpResponseRedirect(self.address("change", file.pk))


def _had_before(file: BankFile) -> bool:
    return file.handed_at is not None or _may_be_taken(file)


def _may_be_taken(file: BankFile) -> bool:
    """Whether the folder knows of somebody that the database does not."""
    try:
        return file.handed_at is None and is_marked(file)
    except OSError:
        return False
