"""Credit a user by hand: what a deposit would do, with a reference of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.common.errors import RequestRefused
from engine.common.ids import new_id
from engine.common.units import parse_amount
from engine.partners.management.commands.mint_api_key import partner_named
from engine.partners.services import see_end_user
from engine.payouts.funds import credit_deposit
from engine.rails.networks import asset_named, network_named, networks_of

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Credit an end user, for demos and sandboxes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="id or name")
        parser.add_argument("--external-ref", required=True)
        parser.add_argument("--asset", required=True)
        parser.add_argument("--network", required=True)
        parser.add_argument("--amount", required=True, help='decimal, such as "100.00"')
        parser.add_argument("--mode", choices=["test", "live"], default="live")

    def handle(self, *_args: Any, **options: Any) -> None:
        partner = partner_named(options["partner"])
        livemode = options["mode"] == "live"
        try:
            asset = asset_named(options["asset"])
            network = network_named(options["network"])
            units = parse_amount(options["amount"], scale=asset.scale)
        except RequestRefused as refusal:
            raise CommandError(refusal.message) from None
        if network not in networks_of(asset):
            raise CommandError(f"{asset.code} does not live on {network.name}.")
        user = see_end_user(
            partner_id=partner.pk, livemode=livemode, external_ref=options["external_ref"]
        )
        deposit, _ = credit_deposit(
            partner_id=partner.pk,
            livemode=livemode,
            end_user_id=user.pk,
            asset=asset.code,
            network=network.code,
            units=units,
            reference=f"credit:{new_id().hex}",
        )
        self.stdout.write(f"Credited as {deposit.public_id}.")
