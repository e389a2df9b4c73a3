"""How many decimals a thing of value has, be it an asset on chains or a currency."""

from __future__ import annotations

from types import MappingProxyType

from engine.rails.networks import ASSETS
from engine.rails.operators import CURRENCIES as PAID_BY_OPERATORS

# Currencies that money may be kept in, with their decimals (ISO 4217). Dollars and pounds
# no operator pays: whoever is owed them chooses a stablecoin.
CURRENCIES = MappingProxyType(dict(PAID_BY_OPERATORS) | {"GBP": 2, "USD": 2})


def scale_of(code: str) -> int:
    """The decimals of `code`, such as 6 for USDT and 0 for XAF. Raises KeyError."""
    asset = ASSETS.get(code)
    return CURRENCIES[code] if asset is None else asset.scale
