"""What answers look like, for the OpenAPI document and for nothing else.

The answers themselves are plain dicts (door.py, answers.py); a test holds the two equal
by letting schemathesis check every answer against these.
"""

from __future__ import annotations

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers
from rest_framework.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    DateTimeField,
    IntegerField,
    JSONField,
    ListField,
    URLField,
)

from connect.words import PAYOUT_WORDS, TRANSACTION_TYPES, TRANSACTION_WORDS
from engine.common.fields import name_component
from engine.rails.networks import ASSETS, NETWORKS

_USD = "US dollars, a decimal string with two to six decimals."


class Shape(serializers.Serializer[object]):
    """A documented object; its members are required unless they say otherwise."""

    def __init_subclass__(cls, **options: object) -> None:
        """Name the schema after the class: `QuoteShape` documents Quote."""
        super().__init_subclass__(**options)
        name_component(cls, cls.__name__.removesuffix("Shape"))


class RouteShape(Shape):
    from_network = CharField()
    to_network = CharField()
    estimated_seconds = IntegerField(min_value=0)


class AlternativeRouteShape(Shape):
    network = CharField()
    fee_total_usd = CharField(help_text=_USD)
    savings_usd = CharField(help_text=_USD)


class RecommendationShape(Shape):
    message = CharField(help_text="You could save $24.10 by funding from Solana.")
    alternative_route = AlternativeRouteShape()


class InsufficientFundsShape(Shape):
    needed = CharField(help_text="What is missing, in the asset.")
    asset = CharField()
    network_with_lowest_top_up_fee = CharField()


class QuoteShape(Shape):
    quote_id = CharField(max_length=128, help_text="Opaque, signed, single-use.")
    expires_at = DateTimeField(help_text="60 s from issuance.")
    user_sends = CharField(help_text="What is debited from the end user.")
    recipient_gets = CharField(help_text="What lands at the destination after fees.")
    fee_total_usd = CharField(help_text=_USD)
    route = RouteShape()
    recommendation = RecommendationShape(
        required=False, help_text="Only when another way would save at least a cent."
    )
    insufficient_funds = InsufficientFundsShape(
        required=False, help_text="Only when the user does not hold enough yet."
    )


class QuoteSnapshotShape(Shape):
    quote_id = CharField(max_length=128)
    user_sends = CharField()
    recipient_gets = CharField()
    fee_total_usd = CharField(help_text=_USD)
    route = RouteShape()


class AcceptedPayoutShape(Shape):
    id = CharField(help_text="pay_ and 32 hexadecimal digits.")
    status = ChoiceField(choices=["pending"], help_text="Always pending at this moment.")
    quote = QuoteSnapshotShape()
    estimated_delivery_at = DateTimeField()
    tracking_url = URLField(help_text="The public page to share with the end user.")


class StepShape(Shape):
    status = ChoiceField(choices=PAYOUT_WORDS)
    at = DateTimeField()
    network = CharField(required=False)
    tx_hash = CharField(required=False)
    explorer_url = URLField(required=False)


class FailureShape(Shape):
    code = CharField(help_text="See the table of failures in /docs/errors.")
    message = CharField()
    retryable = BooleanField(help_text="Whether a new quote may well succeed.")


class PayoutShape(AcceptedPayoutShape):
    status = ChoiceField(choices=PAYOUT_WORDS)
    timeline = StepShape(many=True)
    fees_paid_usd = CharField(required=False, help_text="Once delivered.")
    final_recipient_amount = CharField(required=False, help_text="Once delivered.")
    failure = FailureShape(required=False, help_text="Once failed.")


class AddressShape(Shape):
    id = CharField(help_text="addr_ and 32 hexadecimal digits.")
    address = CharField()
    asset = CharField()
    network = CharField()
    external_ref = CharField(required=False, help_text="Absent for your treasury's.")
    label = CharField(required=False)  # type: ignore[assignment] # DRF moves fields away
    created_at = DateTimeField()


class BalanceShape(Shape):
    asset = CharField()
    network = CharField()
    amount = CharField(help_text="What may be spent.")
    held = CharField(required=False, help_text="Set aside for payouts on their way.")
    amount_usd = CharField(required=False, help_text="Absent where there is no price.")


class BalancesShape(Shape):
    external_ref = CharField(required=False, help_text="Absent in the aggregate.")
    valued_at = DateTimeField()
    balances = BalanceShape(many=True)
    totals = serializers.DictField(
        child=CharField(), help_text="By lower-case currency; one that is unknown is absent."
    )


class TransactionShape(Shape):
    id = CharField(help_text="dep_ or pay_ and 32 hexadecimal digits.")
    type = ChoiceField(choices=TRANSACTION_TYPES)
    status = ChoiceField(choices=TRANSACTION_WORDS)
    external_ref = CharField()
    asset = CharField()
    network = CharField(help_text="Where the user's funds came in or left.")
    amount = CharField()
    created_at = DateTimeField()
    ended_at = DateTimeField(required=False)
    to_network = CharField(required=False, help_text="A payout's.")
    destination = CharField(required=False, help_text="A payout's.")
    tx_hash = CharField(required=False)
    explorer_url = URLField(required=False)
    failure = FailureShape(required=False)


class AssetShape(Shape):
    asset = ChoiceField(choices=sorted(ASSETS))
    name = CharField()
    scale = IntegerField(help_text="Decimals of the asset, on every network alike.")
    natural_network = CharField()
    networks = ListField(child=CharField())


class NetworkShape(Shape):
    network = ChoiceField(choices=sorted(NETWORKS))
    name = CharField()
    assets = ListField(child=CharField())
    enabled = BooleanField()
    transfer_fee_usd = CharField(required=False, help_text=_USD)
    seconds = IntegerField(required=False, help_text="From sending to final.")
    as_of = DateTimeField(required=False, help_text="Since when the fee holds.")


class NetworksShape(Shape):
    assets = AssetShape(many=True)
    networks = NetworkShape(many=True)


class CheckShape(Shape):
    name = ChoiceField(
        choices=["shape", "checksum", "network", "contract", "look_alike", "blocked"]
    )
    ok = BooleanField()
    message = CharField()


class DestinationCheckShape(Shape):
    light = ChoiceField(choices=["green", "amber", "red"])
    network = CharField(required=False)
    address = CharField(required=False, help_text="In its one canonical spelling.")
    checks = CheckShape(many=True)


def page_of(line: type[Shape], name: str) -> type[Shape]:
    """The shape of a list's answer: a page of `line`, and the cursor of the next."""
    members = {
        "data": line(many=True),
        "cursor": CharField(
            allow_null=True, help_text="For the next page; null when this is the last."
        ),
    }
    return type(name, (Shape,), members)


PayoutsShape = page_of(PayoutShape, "PayoutsShape")
AddressesShape = page_of(AddressShape, "AddressesShape")
TransactionsShape = page_of(TransactionShape, "TransactionsShape")


class FieldErrorShape(Shape):
    pointer = CharField(required=False, help_text="JSON Pointer into the body.")
    parameter = CharField(required=False, help_text="Name of a query parameter.")
    code = CharField()
    message = CharField()


class ProblemShape(Shape):
    """RFC 9457, with our `code`, `request_id` and `retryable`."""

    type = URLField(help_text="A page about this code.")
    title = CharField()
    status = IntegerField()
    detail = CharField()
    code = CharField(help_text="Stable; see /docs/errors.")
    request_id = CharField()
    retryable = BooleanField(help_text="Whether the same request may succeed later.")
    errors = FieldErrorShape(many=True, required=False)  # type: ignore[assignment] # as above


class BatchResultShape(Shape):
    status = IntegerField(help_text="What POST /payouts would have answered.")
    body = extend_schema_field(
        PolymorphicProxySerializer(
            component_name="BatchResultBody",
            serializers=[AcceptedPayoutShape, ProblemShape],
            resource_type_field_name=None,
        )
    )(JSONField)()


class BatchShape(Shape):
    results = BatchResultShape(many=True, help_text="One for each quote_id, in their order.")
