"""What staff may see of chains, and the two lists they edit: tokens, and how deep is final."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from engine.common.reading import ReadOnlyAdmin
from engine.rails.connections import is_devnet
from engine.rails.depths import forget_depths
from engine.rails.heads import fresh_head
from engine.rails.models import ChainHead, DepthPolicy, Token
from engine.rails.networks import explorer_address_url

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

GWEI = 10**9


def address_link(network: str, address: str) -> str:
    """The whole address, leading to where anybody can look at it, if anybody can."""
    if is_devnet(network):
        return format_html('<span class="zp-break">{}</span>', address)
    return format_html(
        '<a class="zp-link zp-break" href="{}">{}</a>',
        explorer_address_url(network, address),
        address,
    )


def gwei(wei: int) -> str:
    """Wei for a unit of gas as people say it: ``1500000000`` is ``"1.5 gwei"``."""
    whole, rest = divmod(wei, GWEI)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + " gwei"


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    list_display = (
        "network", "number", "base_fee", "tip", "transfer_gas", "block_seconds",
        "final_number", "seen_at", "fresh",
    )  # fmt: skip
    fields = (
        "network",
        ("number", "seen_at"),
        "hash",
        ("base_fee", "tip"),
        ("transfer_gas", "block_seconds"),
        "final_number",
        "final_hash",
        "fresh",
    )

    @admin.display(description="base fee")
    def base_fee(self, head: ChainHead) -> str:
        return gwei(head.base_fee_wei)

    @admin.display(description="tip")
    def tip(self, head: ChainHead) -> str:
        return gwei(head.tip_wei)

    @admin.display(description="seen lately")
    def fresh(self, head: ChainHead) -> str:
        return "yes" if fresh_head(head.network) is not None else "no: is a node away?"


@admin.register(Token)
class TokenAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("asset", "network", "contract", "gas_limit")
    list_filter = ("network", "asset")
    search_fields = ("address",)

    @admin.display(description="contract")
    def contract(self, token: Token) -> str:
        return address_link(token.network, token.address)


@admin.register(DepthPolicy)
class DepthPolicyAdmin(ModelAdmin):  # type: ignore[misc]
    """Other processes take an edit within seconds, this one at once."""

    list_display = ("network", "asset", "units_min", "confirmations")
    list_filter = ("network", "asset")

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_depths()

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        super().delete_model(request, obj)
        forget_depths()
