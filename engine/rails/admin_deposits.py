"""Where users pay in, what arrived there, and how far each network was searched."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from engine.common.reading import ReadOnlyAdmin
from engine.common.units import format_units
from engine.rails.models import Arrival, ArrivalState, DepositAddress, DepositKey, DepositWatch
from engine.rails.networks import ASSETS


@admin.register(DepositAddress)
class DepositAddressAdmin(ReadOnlyAdmin):
    list_display = (
        "address",
        "asset",
        "network",
        "partner",
        "end_user",
        "mode",
        "standing",
        "created_at",
    )
    list_filter = ("livemode", "asset", "network", ("retired_at", admin.EmptyFieldListFilter))
    list_select_related = ("partner", "end_user", "key")
    search_fields = ("=address", "=end_user__external_ref")

    @admin.display(description="mode")
    def mode(self, address: DepositAddress) -> str:
        return "live" if address.livemode else "test"

    @display(description="standing", label={"has a key": "success", "retired": "danger"})  # type: ignore[untyped-decorator]
    def standing(self, address: DepositAddress) -> str:
        if address.retired_at is not None:
            return "retired"
        return "nobody's" if address.key is None else "has a key"


@admin.register(DepositKey)
class DepositKeyAdmin(ReadOnlyAdmin):
    list_display = ("index", "address", "account", "partner", "end_user", "created_at")
    list_filter = ("account",)
    list_select_related = ("partner", "end_user")
    search_fields = ("=address", "=end_user__external_ref")


@admin.register(DepositWatch)
class DepositWatchAdmin(ReadOnlyAdmin):
    """Halted ones wait for `manage.py resume_deposits`."""

    list_display = ("network", "next_block", "searched_at", "state", "halted_why")

    @display(description="state", label={"halted": "danger", "goes on": "success"})  # type: ignore[untyped-decorator]
    def state(self, watch: DepositWatch) -> str:
        return "goes on" if watch.halted_at is None else "halted"


@admin.register(Arrival)
class ArrivalAdmin(ReadOnlyAdmin):
    """Those in review are in no account: a person books them, or explains them."""

    list_display = ("short_hash", "network", "amount", "key", "outcome", "seen_at")
    list_filter = ("state", "network", "asset")
    list_select_related = ("key",)
    search_fields = ("=tx_hash", "=key__address", "=sender")
    fields = (
        ("tx_hash", "log_index"),
        ("network", "block_number"),
        "block_hash",
        ("amount", "sender"),
        "key",
        ("outcome", "seen_at"),
    )

    @admin.display(description="hash")
    def short_hash(self, arrival: Arrival) -> str:
        """Both ends: whole, a hash leaves a list no room for anything else."""
        return f"{arrival.tx_hash[:10]}…{arrival.tx_hash[-6:]}"

    @admin.display(description="amount")
    def amount(self, arrival: Arrival) -> str:
        scale = ASSETS[arrival.asset].scale
        return f"{format_units(arrival.units, scale=scale)} {arrival.asset}"

    @display(  # type: ignore[untyped-decorator]
        description="outcome",
        label=dict.fromkeys(ArrivalState.labels[:2], "success")
        | {ArrivalState.REVIEW.label: "danger"},
    )
    def outcome(self, arrival: Arrival) -> str:
        return ArrivalState(arrival.state).label
