"""Reasons not to pay: a freeze, a limit, a destination nobody may be paid at."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from engine.partners.models import Partner
from engine.rails.addresses import read_address
from engine.rails.bank.ibans import read_iban
from engine.rails.bank.references import NETWORK as SEPA
from engine.rails.errors import DestinationInvalid
from engine.rails.networks import network_named
from engine.rails.operators import GATEWAYS, read_number

# Why a text that was meant to be an address is none: a slip, and not another kind of
# destination.
SLIPS = frozenset(
    {"checksum_mismatch", "length_wrong", "test_network", "not_e164", "not_possible"}
)


def place_named(text: str) -> str:
    """The code of a network, or a gateway's name such as mtn_momo, or `sepa`.

    Raises NetworkUnknown.
    """
    place = text.lower()
    return place if place in {*GATEWAYS.values(), SEPA} else network_named(text).code


class Freeze(models.Model):
    """While one stands, nothing new is executed and nothing is signed on its network.

    An empty `network` freezes the house; a gateway is a network like any other.
    """

    network = models.CharField(max_length=16, blank=True)
    reason = models.CharField(max_length=200)
    set_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network"],
                condition=Q(lifted_at__isnull=True),
                name="network_is_frozen_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.network or 'everything'}: {self.reason}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Freeze a place that exists, or nobody would notice that nothing stopped.

        Raises NetworkUnknown.
        """
        if self.network:
            self.network = place_named(self.network)
        super().save(*args, **kwargs)


class Limit(models.Model):
    """How much may leave, in micro-dollars; without a partner it holds for each of them."""

    partner = models.ForeignKey(Partner, models.PROTECT, null=True, blank=True)
    payout_usd_micros_max = models.BigIntegerField(null=True, blank=True)
    day_usd_micros_max = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner"], nulls_distinct=False, name="limit_is_unique_per_partner"
            )
        ]

    def __str__(self) -> str:
        return f"limit of {self.partner or 'every partner'}"


class BlockedDestination(models.Model):
    """An address nobody may be paid at, such as one on a sanctions list.

    Kept in the one spelling that quotes use: an execute compares it as it stands.
    """

    destination = models.CharField(max_length=128, unique=True)
    reason = models.CharField(max_length=200)
    added_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.destination

    def clean(self) -> None:
        self.destination = self.destination.strip()
        try:
            if self.destination.startswith("+"):
                self.destination = read_number(re.sub(r"[ ().-]", "", self.destination)).e164
            else:
                self.destination = read_address(self.destination).canonical
        except DestinationInvalid as refusal:
            if refusal.reason in SLIPS:
                raise ValidationError({"destination": refusal.message}) from None
            with suppress(DestinationInvalid):
                self.destination = read_iban(self.destination).text

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Spell the destination as quotes do, whoever wrote it."""
        self.clean()
        super().save(*args, **kwargs)
