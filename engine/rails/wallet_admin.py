"""Hot wallets as staff see them, what was signed with them, and how one is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, Q
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from engine.common.asking import AskingAdmin
from engine.common.reading import ReadOnly, ReadOnlyAdmin
from engine.common.units import format_units
from engine.rails.chain_admin import address_link, gwei
from engine.rails.explorers import explorer_url
from engine.rails.heads import transfers_left
from engine.rails.models import ChainHead, HotWallet, SignedTransaction, Slot, WalletAsset
from engine.rails.networks import ASSETS, NATIVE_SCALE, NETWORKS
from engine.rails.wallet_acts import ActRefused, ask_to_cancel, ask_to_unfreeze, who_asked
from engine.rails.wallets import freeze_wallets

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

REASON_CHARS_MAX = 200


def amount(units: int | None, asset: str) -> str:
    """Units as people read them; coins of a chain have a scale of their own."""
    if units is None:
        return "not seen yet"
    scale = ASSETS[asset].scale if asset in ASSETS else NATIVE_SCALE
    return f"{format_units(units, scale=scale)} {asset}"


def hash_link(network: str, hash_: str) -> str:
    """The whole hash, leading to where anybody can look at it."""
    return format_html(
        '<a class="zp-link zp-break" href="{}">{}</a>',
        explorer_url(rail="evm", network=network, reference=hash_),
        hash_,
    )


class ReasonForm(forms.Form):
    """Why, for whoever comes after."""

    reason = forms.CharField(
        max_length=REASON_CHARS_MAX, widget=UnfoldAdminTextInputWidget, label="Why?"
    )


class WalletAssetInline(TabularInline):  # type: ignore[misc]
    """Balances are read from the chain; the ceiling is the operators' to set."""

    model = WalletAsset
    extra = 0
    can_delete = False
    fields = ("asset", "holds", "balance_block", "seen_at", "ceiling_units")
    readonly_fields = ("asset", "holds", "balance_block", "seen_at")

    def has_add_permission(self, *_: object) -> bool:
        return False

    @admin.display(description="holds")
    def holds(self, row: WalletAsset) -> str:
        return amount(row.balance_units, row.asset)


@admin.register(HotWallet)
class HotWalletAdmin(AskingAdmin):
    """Made by the command add_wallet, which asks the chain where its nonces begin."""

    list_display = (
        "full_address", "network", "purpose", "gas", "open_slots", "is_enabled", "state"
    )  # fmt: skip
    list_filter = (
        "network",
        "purpose",
        "is_enabled",
        ("frozen_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("address", "key_name")
    inlines = (WalletAssetInline,)
    actions_detail = ("freeze", "unfreeze")
    fields = (
        "full_address",
        ("network", "key_name"),
        "state",
        ("gas", "seen_at"),
        "gas_alarm_wei",
        ("open_slots", "next_nonce"),
        ("purpose", "in_flight_max"),
        "is_enabled",
        "created_at",
    )
    readonly_fields = (
        "full_address", "network", "key_name", "state", "gas", "seen_at", "open_slots",
        "next_nonce", "purpose", "created_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[HotWallet]:
        wallets: QuerySet[HotWallet] = super().get_queryset(request)
        under_way = Count("slots", filter=Q(slots__closed_at__isnull=True))
        return wallets.annotate(under_way=under_way)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what can be done to this wallet now."""
        wallet = self.get_object(request, unquote(str(object_id)))
        if wallet is None:
            return []
        offer = "freeze" if wallet.frozen_at is None else "unfreeze"
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.path == offer]

    @admin.display(description="address")
    def full_address(self, wallet: HotWallet) -> str:
        return address_link(wallet.network, wallet.address)

    @admin.display(description="gas")
    def gas(self, wallet: HotWallet) -> str:
        held = amount(wallet.gas_wei, NETWORKS[wallet.network].native)
        if wallet.gas_wei is None:
            return held
        head = ChainHead.objects.filter(network=wallet.network).first()
        left = transfers_left(wallet.gas_wei, head)
        low = " · low" if wallet.gas_wei < wallet.gas_alarm_wei else ""
        return f"{held}{low}" + ("" if left is None else f" · about {left:,} transfers")

    @admin.display(description="under way")
    def open_slots(self, wallet: HotWallet) -> str:
        return f"{wallet.under_way} of {wallet.in_flight_max}"  # type: ignore[attr-defined] # annotated

    @admin.display(description="state")
    def state(self, wallet: HotWallet) -> str:
        if wallet.frozen_at is None:
            return "signs" if wallet.is_enabled else "switched off"
        asked = ", ".join(who_asked(wallet))
        return f"frozen: {wallet.frozen_why}" + (
            f" ({asked} would unfreeze it)" if asked else ""
        )

    def has_act_permission(self, request: HttpRequest, _wallet: Any = None) -> bool:
        return request.user.has_perm("rails.change_hotwallet")

    @action(  # type: ignore[untyped-decorator]
        description="Freeze",
        url_path="freeze",
        permissions=["act"],
        variant=ActionVariant.DANGER,
    )
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then sign nothing more with it."""
        wallet = cast("HotWallet", self.find(request, object_id))
        form = ReasonForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self.ask(
                request,
                wallet,
                form,
                title="Sign nothing more with this wallet?",
                button="Freeze",
                text="What it has sent is watched to its end. What waits for it waits on, or"
                " goes to another wallet. It takes two people to unfreeze it.",
                is_grave=True,
            )
        if freeze_wallets([wallet.pk], why=form.cleaned_data["reason"]):
            self.log_change(request, wallet, f"Frozen: {form.cleaned_data['reason']}")
        return self._back(request, wallet, "It is frozen.")

    @action(  # type: ignore[untyped-decorator]
        description="Unfreeze",
        url_path="unfreeze",
        permissions=["act"],
        variant=ActionVariant.PRIMARY,
    )
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask; the second person who says so thaws it."""
        wallet = cast("HotWallet", self.find(request, object_id))
        if request.method != "POST":
            return self.ask(
                request,
                wallet,
                forms.Form(),
                title="Let this wallet sign again?",
                button="Unfreeze",
                text=f"It was frozen because: {wallet.frozen_why}. It takes two people, of"
                f" whom {', '.join(who_asked(wallet)) or 'nobody'} has said so.",
                is_grave=True,
            )
        try:
            is_thawed = ask_to_unfreeze(wallet.pk, by=cast("User", request.user))
        except ActRefused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(self.address("change", wallet.pk))
        text = "It signs again." if is_thawed else "Noted. One more person has to say so."
        return self._back(request, wallet, text)

    def has_add_permission(self, *_: object) -> bool:
        return False

    def has_delete_permission(self, *_: object) -> bool:
        return False

    def _back(self, request: HttpRequest, wallet: HotWallet, text: str) -> HttpResponse:
        messages.success(request, text)
        return HttpResponseRedirect(self.address("change", wallet.pk))


class SignedInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = SignedTransaction
    fields = ("number", "kind", "link", "max_fee", "tip", "signed_at")
    readonly_fields = ("link", "max_fee", "tip")

    @admin.display(description="hash")
    def link(self, signed: SignedTransaction) -> str:
        return hash_link(signed.slot.wallet.network, signed.hash)

    @admin.display(description="at most")
    def max_fee(self, signed: SignedTransaction) -> str:
        return gwei(signed.max_fee_wei)

    @admin.display(description="tip")
    def tip(self, signed: SignedTransaction) -> str:
        return gwei(signed.tip_wei)


@admin.register(Slot)
class SlotAdmin(ReadOnly, AskingAdmin):
    """One nonce: what it is for, and every hash that was ever signed at it."""

    list_display = (
        "nonce", "wallet", "kind", "sends", "destination", "created_at", "block", "closed_at"
    )  # fmt: skip
    list_filter = (
        "kind",
        ("closed_at", admin.EmptyFieldListFilter),
        ("cancel_asked_at", admin.EmptyFieldListFilter),
        "wallet__network",
        "wallet",
        "asset",
    )
    list_select_related = ("wallet",)
    search_fields = ("=destination", "=mined_hash", "=signed__hash", "=wallet__address")
    search_help_text = "A hash, a destination or a wallet's address"
    inlines = (SignedInline,)
    actions_detail = ("cancel",)
    fields = (
        ("wallet", "nonce"),
        ("kind", "sends"),
        "to",
        ("gas_limit", "spent"),
        "created_at",
        "cancel_asked_at",
        ("block", "closed_at"),
        "mined",
    )

    @admin.display(description="sends")
    def sends(self, slot: Slot) -> str:
        return amount(slot.units, slot.asset)

    @admin.display(description="destination")
    def to(self, slot: Slot) -> str:
        return address_link(slot.wallet.network, slot.destination)

    @admin.display(description="spent")
    def spent(self, slot: Slot) -> str:
        native = NETWORKS[slot.wallet.network].native
        return "-" if slot.spent_wei is None else amount(slot.spent_wei, native)

    @admin.display(description="in block", ordering="mined_block")
    def block(self, slot: Slot) -> str:
        return "none" if slot.mined_block is None else str(slot.mined_block)

    @admin.display(description="mined as")
    def mined(self, slot: Slot) -> str:
        return hash_link(slot.wallet.network, slot.mined_hash) if slot.mined_hash else "-"

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer to cancel while that can still mean something."""
        slot = self.get_object(request, unquote(str(object_id)))
        if slot is None or slot.closed_at or slot.mined_block or slot.cancel_asked_at:
            return []
        offered: list[Any] = super().get_actions_detail(request, object_id)
        return offered

    def has_act_permission(self, request: HttpRequest, _slot: Any = None) -> bool:
        return request.user.has_perm("rails.change_hotwallet")

    @action(  # type: ignore[untyped-decorator]
        description="Cancel",
        url_path="cancel",
        permissions=["act"],
        variant=ActionVariant.DANGER,
    )
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then let the nonce be burned."""
        slot = cast("Slot", self.find(request, object_id))
        if request.method != "POST":
            return self.ask(
                request,
                slot,
                forms.Form(),
                title="Burn this nonce?",
                button="Cancel the send",
                text="A send of nothing to ourselves is offered at a higher fee. If the chain"
                " takes that one, the payout fails and its funds come back; if it takes the"
                " send first, it is paid.",
                is_grave=True,
            )
        try:
            ask_to_cancel(slot.pk)
        except ActRefused as refusal:
            messages.error(request, str(refusal))
        else:
            self.log_change(request, slot, "Asked to cancel.")
            messages.success(request, "Asked for. The chain decides which of the two it takes.")
        return HttpResponseRedirect(self.address("change", slot.pk))


@admin.register(SignedTransaction)
class SignedTransactionAdmin(ReadOnlyAdmin):
    """Found by hash. The bytes themselves are as good as money: on no page."""

    list_display = ("link", "network", "slot", "number", "kind", "max_fee", "signed_at")
    list_filter = ("kind", "slot__wallet__network")
    list_select_related = ("slot__wallet",)
    search_fields = ("=hash",)
    search_help_text = "A hash"
    fields = ("link", ("network", "slot"), ("number", "kind"), ("max_fee", "tip"), "signed_at")

    @admin.display(description="hash")
    def link(self, signed: SignedTransaction) -> str:
        return hash_link(signed.slot.wallet.network, signed.hash)

    @admin.display(description="network")
    def network(self, signed: SignedTransaction) -> str:
        return signed.slot.wallet.network

    @admin.display(description="at most")
    def max_fee(self, signed: SignedTransaction) -> str:
        return gwei(signed.max_fee_wei)

    @admin.display(description="tip")
    def tip(self, signed: SignedTransaction) -> str:
        return gwei(signed.tip_wei)
