"""The last thing bin/up prints: where to look, and with which key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def text(
    demo: dict[str, Any],
    payout: dict[str, Any] | None,
    *,
    base: str,
    home: Path,
    networks: Sequence[str],
) -> str:
    """One aligned block. `payout` None when the first one could not be sent.

    `networks` are those with a chain; payouts to any other go over the simulated rail.
    """
    partner = demo["partners"][0]
    user = partner["users"][0]
    person = demo["staff"][0]
    rows = [
        ("Watch the payout", payout["tracking_url"]) if payout else None,
        ("API", f"{base}/connect/v1"),
        ("  reference", f"{base}/connect/v1/reference"),
        ("  live key", partner["connect"]["live_key"]),
        ("  test key", partner["connect"]["test_key"]),
        ("  pays over", _rails(networks)),
        ("  user with funds", f"{user['external_ref']} ({user['amount']} {user['asset']})"),
        ("Its webhooks", str(home / "logs" / "receiver.log")),
        ("Admin", f"{base}/admin/"),
        ("  user name", person["username"]),
        ("  password", person["password"]),
        ("Everything else", str(home / "demo.json")),
        ("Logs", str(home / "logs") + os.sep),
    ]
    lines = [f"  {row[0]:<20}{row[1]}" for row in rows if row]
    ending = "Ctrl-C ends everything. bin/up --fresh starts over."
    return "\n".join(["", "Zopay is up.", "", *lines, "", ending])


def _rails(networks: Sequence[str]) -> str:
    """How payouts of the live key settle; those of the test key are always simulated."""
    simulated = "the simulated rail"
    return f"EVM chains ({', '.join(networks)}), else {simulated}" if networks else simulated
