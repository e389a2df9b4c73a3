"""How deep a block must lie before we believe what is in it: rows that an operator edits.

Light: the web process may import it. Rows are read at most every few seconds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from engine.rails.models import DepthPolicy
from engine.rails.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# An operator who asks for more depth is heeded this soon in every process.
CACHE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Row:
    asset: str
    units_min: int
    confirmations: int


_policies: tuple[float, Mapping[str, Sequence[_Row]]] | None = None


def depth_needed(network: str, asset: str, units: int) -> int:
    """How many confirmations make a transfer of `units` of `asset` final on `network`.

    A block has one confirmation when it is the head. Among the rows that the amount
    reaches, one for the asset beats one for any asset, then the largest `units_min`
    decides; where there is none, the depth is that of `networks.py`. KeyError for an
    unknown network.
    """
    reached = [
        row for row in _rows(network) if row.asset in ("", asset) and row.units_min <= units
    ]
    if not reached:
        return NETWORKS[network].final_confirmations
    return max(reached, key=lambda row: (row.asset != "", row.units_min)).confirmations


def smallest_depth(network: str) -> int:
    """The least confirmations that anything on `network` is believed at."""
    return min(_depths(network))


def largest_depth(network: str) -> int:
    """The confirmations at which anything on `network` is believed, whatever its amount."""
    return max(_depths(network))


def _depths(network: str) -> list[int]:
    rows = _rows(network)
    depths = [row.confirmations for row in rows]
    if not any(row.asset == "" and row.units_min == 0 for row in rows):
        # Some amount of some asset falls through to it.
        depths.append(NETWORKS[network].final_confirmations)
    return depths


def forget_depths() -> None:
    """Read the rows again at the next question; called when an operator edits one here."""
    global _policies  # noqa: PLW0603 - one cache for the whole process is the point
    _policies = None


def _rows(network: str) -> Sequence[_Row]:
    global _policies  # noqa: PLW0603 - as above
    now = monotonic()
    known = _policies
    if known is None or now >= known[0]:
        policies: defaultdict[str, list[_Row]] = defaultdict(list)
        for row in DepthPolicy.objects.all():
            policies[row.network].append(_Row(row.asset, row.units_min, row.confirmations))
        known = _policies = (now + CACHE_SECONDS, policies)
    return known[1].get(network, ())
