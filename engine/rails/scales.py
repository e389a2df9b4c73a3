"""How many decimals a thing of value has, be it an asset on chains or a currency."""

from __future__ import annotations

from engine.rails.networks import ASSETS
from engine.rails.operators import CURRENCIES


def scale_of(code: str) -> int:
    """The decimals of `code`, such as 6 for USDT and 0 for XAF. Raises KeyError."""
    asset = ASSETS.get(code)
    return CURRENCIES[code] if asset is None else asset.scale
