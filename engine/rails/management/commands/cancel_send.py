"""Burn the nonce of a send that waits in vain, so that it can never arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from engine.rails.management.wallets_named import slot_of
from engine.rails.models import Slot
from engine.rails.wallet_acts import ActRefused, ask_to_cancel

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Cancel a send that no block has taken. The payout fails, and its funds come back,"
        " only when the cancellation is final; if the send is mined first, it is paid."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("send", help="pay_…, network:address:nonce, or a hash")

    def handle(self, *_args: Any, send: str, **_options: Any) -> None:
        slot_id = slot_of(send)
        try:
            ask_to_cancel(slot_id)
        except ActRefused as refusal:
            raise CommandError(str(refusal)) from None
        slot = Slot.objects.select_related("wallet").get(pk=slot_id)
        self.stdout.write(f"Asked for: nonce {slot.nonce} of {slot.wallet} will be burned.")
        if slot.wallet.frozen_at is not None:
            self.stdout.write("That wallet is frozen, and signs nothing until it is unfrozen.")
