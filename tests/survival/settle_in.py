"""Run once in a new house: its tables, a partner, her keys, and a user and a float with much money.

    python -m tests.survival.settle_in

Prints what the tests need of it as JSON.
"""

import json

import django


def main():
    django.setup()
    # Models can be imported only now.
    from django.core.management import call_command

    from disbursements.keys import mint_signing_key
    from engine.partners.models import ALL_SCOPES, FeeSchedule, Partner
    from engine.partners.services import mint_key
    from engine.payouts.floats import credit_float
    from tests.cast import USDT, fund

    call_command("migrate", "--noinput", verbosity=0)
    partner = Partner.objects.create(
        name="Acme", is_approved=True, fee_schedule=FeeSchedule.objects.earliest("pk")
    )
    keys = {}
    for mode, livemode in (("live", True), ("test", False)):
        fund(partner, livemode=livemode, units=10**9 * USDT)
        keys[mode] = mint_key(
            partner=partner, livemode=livemode, name="survival", scopes=ALL_SCOPES
        )[1]
    credit_float(
        partner_id=partner.pk,
        livemode=True,
        currency="XAF",
        units=10**9,
        reference="bank-1",
        reason="survival",
        by="survival",
    )
    origin = "https://shop.example"
    signing, secret = mint_signing_key(partner=partner, name="survival", origins=[origin])
    keys["signing"] = {"key": signing.key, "secret": secret, "origin": origin}
    print(json.dumps(keys))


if __name__ == "__main__":
    main()
