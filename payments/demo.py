"""The demo's part of this door: tokens, floats and rates for each demo partner."""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Now
from django.utils.text import slugify

from engine.partners.keys import digest_key
from engine.partners.models import Partner
from engine.payouts.floats import credit_float
from engine.payouts.models import AssetPrice
from engine.payouts.pricing import forget_prices
from engine.rails.scales import CURRENCIES
from payments.models import Token
from payments.stablecoin import ASSET
from payments.tokens import mint_token

# In smallest units: 10,000 EUR and 5,000,000 XAF.
FLOATS = {"EUR": 1_000_000, "XAF": 5_000_000}
MODES = {"test_token": False, "live_token": True}


def equip(told: dict[str, Any]) -> None:
    """Add `payments` to what is told of a partner, unless what it says still stands.

    The demo's prices are as of now, since nobody else keeps them fresh.
    """
    partner = Partner.objects.get(pk=told["id"])
    for livemode in MODES.values():
        for currency, units in FLOATS.items():
            credit_float(
                partner_id=partner.pk,
                livemode=livemode,
                currency=currency,
                units=units,
                reference=f"demo payments:{partner.pk.hex}",
                reason="the demo",
                by="bootstrap_demo",
            )
    AssetPrice.objects.filter(asset__in=(*CURRENCIES, ASSET)).update(as_of=Now())
    forget_prices()
    host = f"{slugify(partner.name)}.example"
    if host not in partner.redirect_hosts:
        partner.redirect_hosts = [*partner.redirect_hosts, host]
        partner.save(update_fields=["redirect_hosts"])
    if not _still_stand(partner, told.get("payments", {})):
        told["payments"] = {
            name: mint_token(
                partner=partner,
                livemode=livemode,
                name="demo",
                may_pay_out=True,
                may_fill_forms=True,
            )[1]
            for name, livemode in MODES.items()
        }


def _still_stand(partner: Partner, known: dict[str, str]) -> bool:
    digests = [digest_key(known[name]) for name in MODES if name in known]
    standing = Token.objects.filter(partner=partner, digest__in=digests, revoked_at=None)
    return standing.count() == len(MODES)
