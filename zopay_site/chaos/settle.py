"""Run once in a new house: tables, chains, a partner with her key, and users with money.

    python -m zopay_site.chaos.settle

Prints what the run needs to know of it as JSON.
"""

from __future__ import annotations

import json
from uuid import uuid4

import django

from zopay_site.chaos.plan import NETWORKS, USERS

FUNDS_UNITS = 10**7 * 10**6
ASSET = "USDT"


def main() -> None:
    django.setup()
    # Models can be imported only now.
    from django.core.management import call_command

    from engine.partners.models import ALL_SCOPES, FeeSchedule, Partner
    from engine.partners.services import mint_key
    from engine.rails.models import Token
    from zopay_site.embedded.settle_in import settle_in

    call_command("migrate", "--noinput", verbosity=0)
    settle_in()
    partner = Partner.objects.create(
        name="Chaos", is_approved=True, fee_schedule=FeeSchedule.objects.earliest("pk")
    )
    for user, network in USERS.items():
        _fund(partner, user, network)
    _, key = mint_key(partner=partner, livemode=True, name="chaos", scopes=ALL_SCOPES)
    told = {
        "key": key,
        "funds_units": FUNDS_UNITS,
        "tokens": dict(
            Token.objects.filter(asset=ASSET, network__in=NETWORKS).values_list(
                "network", "address"
            )
        ),
    }
    print(json.dumps(told))


def _fund(partner: object, user: str, network: str) -> None:
    from engine.partners.models import Partner
    from engine.partners.services import see_end_user
    from engine.payouts.funds import credit_deposit

    if not isinstance(partner, Partner):
        raise TypeError
    row = see_end_user(partner_id=partner.pk, livemode=True, external_ref=user)
    credit_deposit(
        partner_id=partner.pk,
        livemode=True,
        end_user_id=row.pk,
        asset=ASSET,
        network=network,
        units=FUNDS_UNITS,
        reference=uuid4().hex,
    )


if __name__ == "__main__":
    main()
