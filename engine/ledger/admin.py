"""The books as staff may see them. Nobody writes here: a correction is a movement."""

from __future__ import annotations

from django.contrib import admin

from engine.common.reading import ReadOnlyAdmin
from engine.common.units import format_units
from engine.ledger import services
from engine.ledger.models import Account, Movement


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("code", "asset", "mode", "balance_now", "hot")
    list_filter = ("asset", "livemode", "is_hot")
    search_fields = ("code__startswith",)
    search_help_text = "The beginning of a code, such as user:17:"
    ordering = ("code", "asset", "livemode")
    fields = (
        "id",
        "code",
        "asset",
        "mode",
        "balance_now",
        "overdraft",
        "hot",
        "rolled_up_through",
    )

    @admin.display(description="mode")
    def mode(self, account: Account) -> str:
        return _mode(account)

    # In words: a red cross would say that something is wrong.
    @admin.display(description="may go negative")
    def overdraft(self, account: Account) -> str:
        return "yes" if account.may_go_negative else "no"

    @admin.display(description="is hot")
    def hot(self, account: Account) -> str:
        return "yes" if account.is_hot else "no"

    @admin.display(description="balance in smallest units")
    def balance_now(self, account: Account) -> str:
        return _grouped(services.balance_of(account_id=account.pk))


@admin.register(Movement)
class MovementAdmin(ReadOnlyAdmin):
    list_display = (
        "reference",
        "debit_code",
        "credit_code",
        "units_grouped",
        "asset",
        "mode",
        "moved_at",
    )
    list_filter = ("asset", "livemode")
    list_select_related = ("debit", "credit")
    search_fields = ("reference__startswith",)
    search_help_text = "The beginning of a reference, such as payout:…"
    ordering = ("-id",)
    fields = (
        "id",
        "reference",
        "debit",
        "credit",
        "units_grouped",
        "asset",
        "mode",
        "corrects",
        "moved_at",
    )

    @admin.display(description="mode")
    def mode(self, movement: Movement) -> str:
        return _mode(movement)

    @admin.display(description="from")
    def debit_code(self, movement: Movement) -> str:
        return movement.debit.code

    @admin.display(description="to")
    def credit_code(self, movement: Movement) -> str:
        return movement.credit.code

    @admin.display(description="smallest units")
    def units_grouped(self, movement: Movement) -> str:
        return _grouped(movement.units)


def _mode(row: Account | Movement) -> str:
    return "live" if row.livemode else "test"


def _grouped(units: int) -> str:
    """Digits in threes. An amount would need the asset's scale, which rails know."""
    whole = format_units(abs(units), scale=0)
    return f"{'-' if units < 0 else ''}{int(whole):,}"
