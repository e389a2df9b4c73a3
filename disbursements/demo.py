"""The demo's part of this door: a signing key and a float for each demo partner."""

from __future__ import annotations

from typing import Any

from django.utils.text import slugify

from disbursements.keys import mint_signing_key
from disbursements.models import SigningKey
from engine.partners.models import Partner
from engine.payouts.floats import credit_float

CURRENCY, FLOAT_UNITS = "XAF", 5_000_000


def equip(told: dict[str, Any]) -> None:
    """Add `disbursements` to what is told of a partner, unless what it says still stands."""
    partner = Partner.objects.get(pk=told["id"])
    credit_float(
        partner_id=partner.pk,
        livemode=True,
        currency=CURRENCY,
        units=FLOAT_UNITS,
        reference=f"demo:{partner.pk.hex}",
        reason="the demo",
        by="bootstrap_demo",
    )
    known = told.get("disbursements", {}).get("key")
    if SigningKey.objects.filter(key=known, partner=partner, revoked_at=None).exists():
        return
    origin = f"https://{slugify(partner.name)}.example"
    key, secret = mint_signing_key(partner=partner, name="demo", origins=[origin])
    told["disbursements"] = {"key": key.key, "secret": secret, "origin": origin}
