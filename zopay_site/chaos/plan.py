"""What will be paid and what will break when: all of it drawn from one seed, beforehand.

A fault is due at a point of progress, which counts every payout twice: when it was
accepted and when it was final. So the same seed breaks at the same points of the work,
however fast the machine is.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zopay_site.chaos.options import Options

NETWORKS = ("ethereum", "polygon")
# Who pays, and where her money is. Whoever holds none there pays by bridge.
USERS = {
    "anna": "ethereum",
    "bela": "ethereum",
    "carl": "polygon",
    "dora": "polygon",
}
BRIDGED = 0.15
# The part of the work in which things break; the rest is for coming to an end.
TROUBLE = (0.03, 0.85)
# For each kill of a worker, how many of these; each once at least.
PER_KILL = {
    "web-kill": 0.03,
    "flush": 0.1,
    "valkey-kill": 0.03,
    "postgres": 0.03,
    "reorg": 0.12,
    "base-fee": 0.06,
}
# More than a quote asks for gas at the height of a spike, or it would rightly be refused.
CENTS_MIN = 50_000


@dataclass(frozen=True, slots=True)
class Wish:
    """One payout: `amount` is a decimal string that no other wish has."""

    number: int
    user: str
    network: str
    asset: str
    amount: str
    destination: str


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault at one point of progress; `luck` (0 to 1, twice) says how and on whom."""

    at: int
    fault: str
    luck: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """`calm_at` is the point of progress at which the proxies become honest."""

    wishes: tuple[Wish, ...]
    strikes: tuple[Strike, ...]
    calm_at: int


def draw(options: Options) -> Plan:
    """The whole plan of a seed."""
    # One stream each, so that fewer faults do not change who is paid.
    wishes = _wishes(Random(f"wishes {options.seed}"), options.payouts)
    strikes = _strikes(Random(f"strikes {options.seed}"), options)
    return Plan(wishes, strikes, calm_at=_point(options, TROUBLE[1]))


def _wishes(dice: Random, count: int) -> tuple[Wish, ...]:
    wishes = []
    for number in range(count):
        user = dice.choice(list(USERS))
        network = USERS[user]
        if network == "ethereum" and dice.random() < 2 * BRIDGED:
            network = "polygon"
        cents = CENTS_MIN + number
        wishes.append(
            Wish(
                number=number,
                user=user,
                network=network,
                asset="USDT",
                amount=f"{cents // 100}.{cents % 100:02d}",
                destination="0x" + dice.randbytes(20).hex(),
            )
        )
    return tuple(wishes)


def _strikes(dice: Random, options: Options) -> tuple[Strike, ...]:
    counts = {"kill": options.kills} | {
        fault: max(1, round(options.kills * share)) for fault, share in PER_KILL.items()
    }
    first, last = (_point(options, part) for part in TROUBLE)
    strikes = [
        Strike(dice.randint(first, last), fault, (dice.random(), dice.random()))
        for fault, count in counts.items()
        if fault in options.faults
        for _ in range(count)
    ]
    return tuple(sorted(strikes, key=lambda strike: strike.at))


def _point(options: Options, part: float) -> int:
    """The progress at which so much of the work is done."""
    return round(2 * options.payouts * part)
