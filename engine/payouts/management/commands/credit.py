"""Credit a user, or a partner's float, by hand: what money that came in would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.common.errors import RequestRefused
from engine.common.ids import new_id
from engine.common.units import parse_amount
from engine.partners.management.commands.mint_api_key import partner_named
from engine.partners.services import see_end_user
from engine.payouts.floats import CreditDiffers, credit_float
from engine.payouts.funds import credit_deposit
from engine.rails.networks import asset_named, network_named, networks_of
from engine.rails.scales import CURRENCIES

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from engine.partners.models import Partner


class Command(BaseCommand):
    help = (
        "Credit an end user (--external-ref, --asset, --network), for demos and sandboxes;"
        " or a partner's float (--currency, --reference, --reason, --by), as seen at the bank."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", required=True, help="id or name")
        parser.add_argument("--amount", required=True, help='decimal, such as "100.00"')
        parser.add_argument("--mode", choices=["test", "live"], default="live")
        parser.add_argument("--external-ref", help="whose funds; with --asset and --network")
        parser.add_argument("--asset")
        parser.add_argument("--network")
        parser.add_argument("--currency", help="of the float, such as XAF")
        parser.add_argument("--reference", help="what the bank calls it; credited once")
        parser.add_argument("--reason", help="why the float is credited")
        parser.add_argument("--by", default="the terminal", help="your username")

    def handle(self, *_args: Any, **options: Any) -> None:
        partner = partner_named(options["partner"])
        if options["currency"]:
            _require(options, "reference", "reason")
            self._credit_float(partner, options)
        else:
            _require(options, "external_ref", "asset", "network")
            self._credit_user(partner, options)

    def _credit_float(self, partner: Partner, options: dict[str, Any]) -> None:
        currency = options["currency"]
        if currency not in CURRENCIES:
            raise CommandError(f"The currencies are {', '.join(CURRENCIES)}.")
        try:
            _, is_new = credit_float(
                partner_id=partner.pk,
                livemode=options["mode"] == "live",
                currency=currency,
                units=parse_amount(options["amount"], scale=CURRENCIES[currency]),
                reference=options["reference"],
                reason=options["reason"],
                by=options["by"],
            )
        except RequestRefused as refusal:
            raise CommandError(refusal.message) from None
        except CreditDiffers as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write("Credited." if is_new else "It was credited before; nothing moved.")

    def _credit_user(self, partner: Partner, options: dict[str, Any]) -> None:
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


def _require(options: dict[str, Any], *names: str) -> None:
    missing = [f"--{name.replace('_', '-')}" for name in names if not options[name]]
    if missing:
        raise CommandError(f"Say {', '.join(missing)}, too.")
