"""The run itself: pay, break, wait for the end, count."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

from zopay_site.chaos import counting, proxy, signed
from zopay_site.chaos.node import NodeRefused
from zopay_site.chaos.partner import Door, Partners
from zopay_site.chaos.suspicion import Suspicion

if TYPE_CHECKING:
    from zopay_site.chaos.counting import Arrival, Count
    from zopay_site.chaos.house import House
    from zopay_site.chaos.miner import Miner
    from zopay_site.chaos.options import Options
    from zopay_site.chaos.plan import Plan, Strike
    from zopay_site.chaos.show import Progress

PARTNERS = 6
LOOK_SECONDS = 0.03
COUNT_SECONDS = 0.25
SUSPECT_SECONDS = 1.0
# No progress for so long, and the next fault comes nevertheless.
STALLED_SECONDS = 8.0
# And so soon after that one the one after it, until something moves again.
HURRIED_SECONDS = 3.0
# When no fault is left and nothing has moved for so long, there is nothing left to disturb.
STUCK_SECONDS = 30.0
# So long the house may go on after its end, should something it knows not come late.
AFTERMATH_SECONDS = 3.0
LAST_BLOCKS = 10
PAGE = 200
FINISHED = "SELECT count(*) FROM payouts_payout WHERE finished_at IS NOT NULL"
LANES = """
SELECT w.network, w.address, w.next_nonce, count(s.id), coalesce(min(s.nonce), 0),
       count(s.id) FILTER (WHERE s.closed_at IS NULL)
FROM rails_hotwallet w LEFT JOIN rails_slot s ON s.wallet_id = w.id
GROUP BY w.id ORDER BY w.id
"""


class Game:
    """One house, one plan, once."""

    def __init__(self, house: House, plan: Plan, options: Options, progress: Progress) -> None:
        self.house = house
        self.options = options
        self.progress = progress
        self.struck: Counter[str] = Counter()
        self.final_seconds: float | None = None
        self.late = 0
        self.door = Door(house.port, house.told["key"])
        self.partners = Partners(self.door, plan.wishes, size=PARTNERS)
        self._waiting = list(reversed(plan.strikes))
        self._calm_at = plan.calm_at
        self._suspicion = Suspicion(house)
        self._is_found_out = False
        self._suspected_at = time.monotonic()
        self._final = 0
        self._counted_at = 0.0
        self._moved_at = time.monotonic()
        self._moved = 0

    def play(self) -> Count:
        """Everything, up to the verdict."""
        self.house.disturb(_rates(self.options))
        self.partners.start()
        try:
            self._break_things()
            self.house.disturb({})
            self._wait_for_the_end()
        finally:
            self.partners.stop()
        self._settle_down()
        arrived = self._arrivals()
        self._let_everything_be_mined()
        return self._count(arrived, self._arrivals())

    # --- While it lasts --------------------------------------------------------------

    def _break_things(self) -> None:
        """Until every fault of the plan has struck, and so much is done as it says."""
        while not self._is_found_out:
            now, progress = time.monotonic(), self._look()
            if progress != self._moved:
                self._moved, self._moved_at = progress, now
            resting = now - self._moved_at
            if self._waiting and progress >= self._waiting[-1].at:
                self._strike(self._waiting.pop())
            elif self._waiting and resting > STALLED_SECONDS:
                self._moved_at = now - STALLED_SECONDS + HURRIED_SECONDS
                self._strike(self._waiting.pop())
            elif not self._waiting and (progress >= self._calm_at or resting > STUCK_SECONDS):
                return
            time.sleep(LOOK_SECONDS)

    def _wait_for_the_end(self) -> None:
        """Until all that was accepted is final, or patience ends."""
        quiet = time.monotonic()
        while time.monotonic() - quiet < self.options.patience and not self._is_found_out:
            self._look(note="no more faults")
            if self.partners.is_done and self._final >= self.partners.accepted:
                self.final_seconds = round(time.monotonic() - quiet, 1)
                return
            time.sleep(LOOK_SECONDS)
        self.late = self.options.payouts - self._final

    def _look(self, note: str = "") -> int:
        """Keep the house going, and answer how far the work is."""
        self.house.tend()
        if time.monotonic() - self._counted_at > COUNT_SECONDS:
            self._counted_at = time.monotonic()
            # It may just be starting again.
            with suppress(psycopg.OperationalError):
                self._final = int(self.house.ask(FINISHED)[0][0])
            self.partners.final = self._final
        self._suspect()
        accepted = self.partners.accepted
        self.progress.tell(
            accepted=accepted, final=self._final, struck=self.struck.total(), note=note
        )
        return accepted + self._final

    def _suspect(self) -> None:
        """A wrong way that has been found out need not go on."""
        is_time = time.monotonic() - self._suspected_at > SUSPECT_SECONDS
        if self.options.mutation and is_time and not self._is_found_out:
            self._suspected_at = time.monotonic()
            with suppress(psycopg.OperationalError):
                self._is_found_out = self._suspicion.is_certain()

    def _strike(self, strike: Strike) -> None:
        self.struck[strike.fault] += 1
        house, (who, how) = self.house, strike.luck
        match strike.fault:
            case "kill":
                victim = house.workers[int(who * len(house.workers))]
                if how < 0.5:  # noqa: PLR2004  (half of them)
                    victim.kill()
                else:
                    victim.kill_children()
            case "web-kill":
                house.kill_web()
            case "flush":
                house.flush_valkey()
            case "valkey-kill":
                house.restart_valkey()
            case "postgres":
                house.restart_postgres()
            case "reorg":
                self._miner(who).reorganise()
            case "base-fee":
                self._miner(who).spike(factor=10 + 40 * how, blocks=6 + int(who * 1000) % 7)

    def _miner(self, luck: float) -> Miner:
        miners = list(self.house.miners.values())
        return miners[int(luck * len(miners))]

    # --- Afterwards ------------------------------------------------------------------

    def happened(self) -> dict[str, int]:
        """How often what was done, by name, and how many fees were raised."""
        words: Counter[str] = Counter()
        for network, miner in self.house.miners.items():
            words.update(self.house.proxies[network].post("{}", path=proxy.CONTROL)["happened"])
            words["fee raised"] += len(signed.bumped(miner.seen()))
        named = {proxy.NAMES.get(word, word): count for word, count in words.items() if count}
        return dict(self.struck) | named

    def _settle_down(self) -> None:
        """Let come late what the house itself still does, then end it."""
        until = time.monotonic() + AFTERMATH_SECONDS
        while time.monotonic() < until:
            self._look(note="waiting for what may come late")
            time.sleep(LOOK_SECONDS)
        self.house.kill_workers()
        for miner in self.house.miners.values():
            miner.mine(LAST_BLOCKS)

    def _let_everything_be_mined(self) -> None:
        """Somewhere a node remembers all that it was ever sent, and offers it again."""
        for miner in self.house.miners.values():
            for raw in miner.seen():
                try:
                    miner.node.ask("eth_sendRawTransaction", raw)
                except NodeRefused:
                    # As it must be: its nonce is used up.
                    continue
            miner.mine(LAST_BLOCKS)

    def _arrivals(self) -> dict[str, list[Arrival]]:
        return counting.arrivals(self.house.nodes, self.house.told["tokens"])

    def _count(
        self, arrived: dict[str, list[Arrival]], later: dict[str, list[Arrival]]
    ) -> Count:
        told = self._all_told()
        asked = self.partners.asked
        total = counting.judge(asked, told, arrived, later)
        users = sorted({one.wish.user for one in asked})
        balances = {user: self._balance(user) for user in users}
        total.balances = counting.balances_off(
            asked, told, balances, funds_units=self.house.told["funds_units"]
        )
        total.gaps = self._gaps()
        total.books = self.house.check_ledger()
        return total

    def _all_told(self) -> dict[str, dict[str, Any]]:
        """The API's last word on every payout that it knows of."""
        told: dict[str, dict[str, Any]] = {}
        cursor = ""
        while cursor is not None:
            page = self.door.insist(f"/payouts?limit={PAGE}" + (cursor and f"&cursor={cursor}"))
            told |= {payout["id"]: payout for payout in page["data"]}
            cursor = page["cursor"]
        return told

    def _balance(self, user: str) -> dict[str, int]:
        """What a user may spend, by network, as the API says; what is held is not in it."""
        lines = self.door.insist(f"/balances/{user}")["balances"]
        return {line["network"]: counting.units(line["amount"]) for line in lines}

    def _gaps(self) -> list[str]:
        """Wallets whose nonces are not one unbroken row, in the books and on the chain."""
        gaps = []
        for network, address, taken, slots, first, still_open in self.house.ask(LANES):
            node = self.house.nodes[network]
            used = int(node.ask("eth_getTransactionCount", address, "latest"), 16)
            if not (slots == taken == used and first == 0 and still_open == 0):
                gaps.append(
                    f"{network} {address}: {taken} taken, {slots} slots from {first}, "
                    f"{used} used on the chain, {still_open} still open"
                )
        return gaps


def _rates(options: Options) -> dict[str, float]:
    """How often the proxies shall do what."""
    rates: dict[str, float] = {}
    for fault, kinds in proxy.RATES.items():
        if fault in options.faults:
            rates |= kinds
    return rates
