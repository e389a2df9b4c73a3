"""Noticing early that a wrong way of paying has gone wrong for good.

A run of the product always goes on to its end. One with a mutation has shown what it was
to show as soon as something is wrong that nothing can mend, and need not wait for more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zopay_site.chaos import counting
from zopay_site.chaos.miner import REORG_BLOCKS

if TYPE_CHECKING:
    from zopay_site.chaos.house import House

# What has been wrong for so long stays wrong.
LASTING_SECONDS = 4.0
ENDS = "SELECT lower(destination), status FROM payouts_payout WHERE finished_at IS NOT NULL"
FROZEN = "SELECT address FROM rails_hotwallet WHERE frozen_at IS NOT NULL"


class Suspicion:
    """Looks at chains and books, and remembers since when something has been wrong."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._since: dict[str, float] = {}

    def is_certain(self) -> bool:
        """Whether something has been wrong for long enough. Raises psycopg.OperationalError."""
        now, wrongs = time.monotonic(), self._wrongs()
        self._since = {name: self._since.get(name, now) for name in wrongs}
        return any(now - since > LASTING_SECONDS for since in self._since.values())

    def _wrongs(self) -> set[str]:
        house = self.house
        heads = {
            network: int(node.ask("eth_blockNumber"), 16)
            for network, node in house.nodes.items()
        }
        # In this order: what was delivered arrived before it was said to be.
        ends = dict(house.ask(ENDS))
        frozen = {f"frozen {address}" for (address,) in house.ask(FROZEN)}
        arrived = counting.arrivals(house.nodes, house.told["tokens"])
        twice = {
            f"twice {destination}"
            for destination in ends
            if sum(
                each.block <= heads[each.network] - REORG_BLOCKS
                for each in arrived.get(destination, [])
            )
            > 1
        }
        lied = {
            f"said to be {status} {destination}"
            for destination, status in ends.items()
            if (status == counting.DELIVERED) != (destination in arrived)
        }
        return frozen | twice | lied
