"""The secrets that bin/up makes up once, in `home/secrets.json`, readable by us alone."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    "SECRET_KEY",
    "KEY_PEPPER",
    "SIGNING_KEYS",
    "SEALING_KEYS",
    "KEYSTORE_PASSWORD",
    "POSTGRES_PASSWORD",
    "VALKEY_PASSWORD",
)


def load(home: Path) -> dict[str, str]:
    """Every secret by name; the missing ones are made and kept first."""
    path = home / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in NAMES if name not in kept]
    if missing:
        kept |= {name: secrets.token_urlsafe(48) for name in missing}
        write_private(path, json.dumps(kept, indent=2) + "\n")
    return kept


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
