"""What Connect's clients may send, field by field, as connect.md promises."""

from __future__ import annotations

from rest_framework import serializers

from connect.words import PAYOUT_WORDS, TRANSACTION_TYPES, TRANSACTION_WORDS
from engine.common.fields import Form, LimitField, MomentField, NameField, TextField, WordsField

# As many as fit into one short commit.
QUOTES_MAX = 100


def _asset(**options: object) -> TextField:
    return TextField(
        min_length=2,
        max_length=16,
        help_text="Asset code (USDT, XAUT). Case-insensitive.",
        **options,
    )


def _network(**options: object) -> TextField:
    return TextField(
        min_length=2, max_length=16, help_text="Network code, such as ethereum.", **options
    )


def _amount() -> TextField:
    return TextField(
        min_length=1,
        max_length=64,
        help_text=(
            "Decimal string in the asset's user-facing unit, such as 12.50. ASCII digits,"
            " no sign, no exponent, no more decimals than the asset has."
        ),
    )


def _external_ref(**options: object) -> NameField:
    return NameField(
        max_length=255, help_text="Your own reference for the end user.", **options
    )


class QuoteForm(Form):
    external_ref = NameField(
        max_length=255,
        help_text=(
            "The end user whose balance funds the payout. Unknown: 404 external_ref_unknown."
        ),
    )
    destination = TextField(
        max_length=128,
        help_text="On-chain address, valid on network_hint or the asset's natural network.",
    )
    asset = _asset()
    amount = _amount()
    network_hint = TextField(
        min_length=2,
        max_length=16,
        required=False,
        allow_null=True,
        help_text="The destination's network where the address alone does not tell (EVM).",
    )


class ExecuteForm(Form):
    quote_id = TextField(
        max_length=128, help_text="From a prior POST /payouts/quote. Single-use."
    )


class BatchForm(Form):
    quote_ids = serializers.ListField(
        child=TextField(max_length=128),
        min_length=1,
        max_length=QUOTES_MAX,
        help_text=f"1 to {QUOTES_MAX} quotes, executed in this order.",
    )


class AddressForm(Form):
    asset = _asset()
    network = _network()
    external_ref = NameField(
        max_length=255,
        required=False,
        help_text="The end user who pays in there. Without one: your treasury's address.",
    )
    label = NameField(  # type: ignore[assignment] # DRF moves fields away
        max_length=255, required=False, help_text="A name of your own; the first one stays."
    )


class CheckForm(Form):
    destination = TextField(max_length=128, help_text="The address to look at.")
    asset = _asset()
    network_hint = TextField(min_length=2, max_length=16, required=False, allow_null=True)
    external_ref = NameField(
        max_length=255,
        required=False,
        help_text="Compares with the addresses this user was paid at before.",
    )


class SandboxDepositForm(Form):
    external_ref = _external_ref()
    asset = _asset()
    network = _network()
    amount = _amount()


class NothingForm(Form):
    """A body without members."""


class PageQuery(Form):
    """What every list takes."""

    cursor = TextField(
        required=False, max_length=200, help_text="The `cursor` of the page before."
    )
    limit = LimitField(help_text="Rows on a page.")


class SpanQuery(PageQuery):
    """A list whose rows have a moment. `from` is Python's word, so it is added by hand."""

    external_ref = _external_ref(required=False)

    def get_fields(self) -> dict[str, serializers.Field[object, object, object, object]]:
        """All fields, `from` and `to` among them."""
        return super().get_fields() | {
            "from": MomentField(required=False, help_text="From then on (inclusive)."),
            "to": MomentField(required=False, help_text="Until then (exclusive)."),
        }


class PayoutsQuery(SpanQuery):
    status = serializers.ChoiceField(choices=PAYOUT_WORDS, required=False)


class TransactionsQuery(SpanQuery):
    type = WordsField(
        words=TRANSACTION_TYPES, required=False, help_text="deposit, payout, or both."
    )
    status = WordsField(
        words=TRANSACTION_WORDS, required=False, help_text="pending, confirmed, failed."
    )


class AddressesQuery(PageQuery):
    external_ref = _external_ref(required=False)
    asset = _asset(required=False)
    network = _network(required=False)


class BalancesQuery(Form):
    external_ref = _external_ref(required=False)


class NoQuery(Form):
    """An address that takes no query at all."""


class ExternalRef(Form):
    """The last part of /balances/{external_ref}."""

    external_ref = _external_ref()
