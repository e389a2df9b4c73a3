"""Say what a break was, when a person has found out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from engine.payouts.management.staff import staff_named
from engine.payouts.models import Break

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Close a break that reconcile has found, with what it was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", type=int)
        parser.add_argument("--by", required=True, help="your username")
        parser.add_argument("--because", required=True, help="what it was, for those after you")

    def handle(self, *_args: Any, **options: Any) -> None:
        because = options["because"].strip()
        if not because:
            raise CommandError("Say what it was.")
        resolved = Break.objects.filter(pk=options["id"], resolved_at__isnull=True).update(
            resolved_at=timezone.now(), owner=staff_named(options["by"]), resolution=because
        )
        if not resolved:
            raise CommandError(f"No open break has the id {options['id']}.")
        self.stdout.write(f"Break {options['id']} is resolved.")
