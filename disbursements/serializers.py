"""What may be in a body or a query: every member known, nothing that merely resembles it."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from disbursements.door import DISBURSEMENTS
from engine.common.fields import Form, LimitField, MomentField, TextField
from engine.payouts.float_reads import COUNT_MAX
from engine.rails.operators import CURRENCIES, GATEWAYS

GATEWAY_WORDS = tuple(sorted(gateway.upper() for gateway in GATEWAYS.values()))
# As far as payouts are counted; dates lead further.
OFFSET_MAX = COUNT_MAX
OFFSET = re.compile(r"(0|[1-9][0-9]{0,8})\Z", re.ASCII)


class OffsetField(serializers.IntegerField):
    """How many rows to leave out: ASCII digits only."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or OFFSET.match(data) is None:
            self.fail("invalid")
        return int(data)


class RecipientForm(Form):
    msisdn = TextField(max_length=20)


class DisbursementQuoteForm(Form):
    gateway = serializers.ChoiceField(GATEWAY_WORDS)
    transaction_type = serializers.ChoiceField(["DISBURSEMENT"])
    amount = TextField(max_length=40)
    currency = serializers.ChoiceField(sorted(CURRENCIES))
    recipient = RecipientForm()


class DisbursementExecuteForm(Form):
    quote_id = TextField(max_length=128)
    idempotency_key = TextField(max_length=255)
    recipient = RecipientForm()


class BulkForm(Form):
    file_id = TextField(max_length=64)
    idempotency_key = TextField(max_length=255)


class DisbursementsQuery(Form):
    status = serializers.ChoiceField(sorted(set(DISBURSEMENTS.words.values())), required=False)
    gateway = serializers.ChoiceField(GATEWAY_WORDS, required=False)
    limit = LimitField(max_value=100, default=20)
    offset = OffsetField(min_value=0, max_value=OFFSET_MAX, default=0)
    startDate = MomentField(required=False)  # noqa: N815 - the published name
    endDate = MomentField(required=False)  # noqa: N815 - as above
    batch_id = TextField(max_length=64, required=False)


class LookupQuery(Form):
    msisdn = TextField(max_length=20)
    gateway = serializers.ChoiceField(GATEWAY_WORDS)


class NoQuery(Form):
    """Nothing may be asked."""
