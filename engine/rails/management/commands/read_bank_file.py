"""Read files in which a bank says what became of transfers."""

from __future__ import annotations

import getpass
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.rails.bank.reading import MEGABYTE, FileUnreadable
from engine.rails.bank.statements import read_bank_file

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from engine.rails.models import BankStatement


class Command(BaseCommand):
    help = (
        "Read pain.002, camt.053 and camt.054 files, each as a whole, or not at all. A file"
        " that was read before changes nothing, so a job may give the same ones again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")

    def handle(self, *_args: Any, paths: list[Path], **_options: Any) -> None:
        unread = [path for path in paths if not self._read(path)]
        if unread:
            raise CommandError(f"{len(unread)} of {len(paths)} files were not read.")

    def _read(self, path: Path) -> bool:
        """Whether that file was read, now or before."""
        try:
            if path.stat().st_size > settings.BANK_FILE_MB_MAX * MEGABYTE:
                raise FileUnreadable(f"It is larger than {settings.BANK_FILE_MB_MAX} MB.")  # noqa: TRY301 - one place words it
            statement, is_new = read_bank_file(
                path.read_bytes(), file_name=path.name, by=_who()
            )
        except (FileUnreadable, OSError) as error:
            self.stderr.write(f"{path}: {error} Nothing was changed.")
            return False
        self.stdout.write(f"{path}: {_told(statement) if is_new else 'was read before'}")
        return True


def _told(statement: BankStatement) -> str:
    counts = Counter(line["did"] for line in statement.lines)
    lines = ", ".join(f"{count} {did}" for did, count in sorted(counts.items()))
    return f"{statement.kind}, {statement.changed} changed" + (f" ({lines})" if lines else "")


def _who() -> str:
    try:
        return f"{getpass.getuser()} (command)"
    except (KeyError, OSError):
        return "command"
