"""The contracts of the local chains: sources in Vyper, and what they compile to as JSON."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def artifact(name: str) -> dict[str, Any]:
    """`token` or `odd_token`: {compiler, abi, selectors by signature, bytecode "0x…"}."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found
