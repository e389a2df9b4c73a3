"""Search a network for deposits again, after a person has looked at why it was halted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from engine.rails.depths import largest_depth
from engine.rails.models import DepositWatch

if TYPE_CHECKING:
    from argparse import ArgumentParser

# How deep a reorganisation was is not known, only that it was deeper than the policy.
# Blocks that were not replaced are searched again in vain.
DEPTHS_BACK = 2


class Command(BaseCommand):
    help = (
        "Let a network be searched for deposits again. The chain is believed as it is now;"
        " what was credited and is gone from it, a person has to correct first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", required=True)
        parser.add_argument(
            "--from-block",
            type=int,
            help="search again from here, and not from the blocks that were replaced;"
            " what was kept before is not credited twice",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        with transaction.atomic():
            watch = (
                DepositWatch.objects.select_for_update()
                .filter(network=options["network"])
                .first()
            )
            if watch is None:
                raise CommandError(f"{options['network']} was never searched for deposits.")
            first = options["from_block"]
            if watch.halted_at is not None and first is None:
                # They hold other transfers than those that were searched.
                replaced = DEPTHS_BACK * largest_depth(watch.network)
                first = max(0, watch.next_block - replaced)
            if first is not None and not 0 <= first <= watch.next_block:
                raise CommandError(f"--from-block is 0 to {watch.next_block}.")
            if first is None:
                raise CommandError(f"{watch.network} is not halted.")
            watch.next_block = first
            watch.last_hash, watch.halted_at, watch.halted_why = "", None, ""
            watch.save(update_fields=["next_block", "last_hash", "halted_at", "halted_why"])
        self.stdout.write(f"{watch.network} is searched from block {watch.next_block} on.")
