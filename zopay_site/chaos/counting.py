"""The one who counts: what arrived on the chains, against what partners were told.

Nothing of the product is asked about the chains: Transfer logs are read from the nodes
themselves, past the proxies. A destination was made up for one payout alone, so whatever
arrives there is that payout's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zopay_site.chaos.node import Node
    from zopay_site.chaos.partner import Asked

# keccak-256 of "Transfer(address,address,uint256)", from ERC-20.
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
SCALE = 6
BLOCKS_AT_ONCE = 500
DELIVERED, FAILED = "delivered", "failed"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One Transfer log."""

    network: str
    units: int
    block: int
    hash: str


@dataclass
class Count:
    """What came of all of it; every list but the first two holds what must not be.

    `lost`: accepted, and neither paid nor given back. `twice`: more arrived than was
    promised. `lied`: the chain does not bear out what the API said. `astray`: it arrived
    on the wrong network, or without anybody having asked for it.
    """

    payouts: int = 0
    transfers: int = 0
    delivered: int = 0
    failed: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    lied: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    books: list[str] = field(default_factory=list)
    balances: list[str] = field(default_factory=list)

    WRONGS = ("lost", "twice", "lied", "astray", "refused", "gaps", "books", "balances")

    @property
    def is_right(self) -> bool:
        return not any(getattr(self, name) for name in self.WRONGS)


def arrivals(nodes: Mapping[str, Node], tokens: Mapping[str, str]) -> dict[str, list[Arrival]]:
    """Every Transfer log of our tokens, by destination in lower case."""
    found: dict[str, list[Arrival]] = defaultdict(list)
    for network, token in tokens.items():
        node = nodes[network]
        head = int(node.ask("eth_blockNumber"), 16)
        for first in range(0, head + 1, BLOCKS_AT_ONCE):
            wish = {
                "address": token,
                "topics": [TRANSFER],
                "fromBlock": hex(first),
                "toBlock": hex(min(first + BLOCKS_AT_ONCE - 1, head)),
            }
            for log in node.ask("eth_getLogs", wish):
                found["0x" + log["topics"][2][-40:]].append(
                    Arrival(
                        network,
                        int(log["data"], 16),
                        int(log["blockNumber"], 16),
                        log["transactionHash"],
                    )
                )
    return found


def judge(
    asked: Iterable[Asked],
    told: Mapping[str, dict[str, Any]],
    arrived: Mapping[str, list[Arrival]],
    later: Mapping[str, list[Arrival]],
) -> Count:
    """Hold every wish against the chain. `told` are the API's last words, by payout id.

    What is not there by the time of `arrived` is lost; what has come until `later` is paid.
    """
    total = Count()
    for one in asked:
        came = later.get(one.wish.destination, [])
        total.payouts += one.payout is not None
        total.transfers += len(came)
        if one.payout is None:
            # Whoever was not asked yet, because others had to be paid first, refused nothing.
            if one.tries:
                total.refused.append(_named(one, "; ".join(one.refusals) or "no answer"))
            if came:
                total.astray.append(_named(one, "paid, and never accepted"))
            continue
        _judge_what_came(total, one, came)
        _judge_what_was_said(
            total,
            one,
            told.get(one.payout_id, {}),
            arrived.get(one.wish.destination, []),
            is_paid=bool(came),
        )
    return total


def _judge_what_came(total: Count, one: Asked, came: list[Arrival]) -> None:
    quote = (one.payout or {})["quote"]
    promised, sum_units = units(quote["recipient_gets"]), sum(each.units for each in came)
    if len(came) > 1 or sum_units > promised:
        total.twice.append(
            _named(one, f"{sum_units} units in {len(came)} transfers instead of {promised}")
        )
    if any(each.network != quote["route"]["to_network"] for each in came):
        total.astray.append(_named(one, "on another network than promised"))


def _judge_what_was_said(
    total: Count, one: Asked, told: Mapping[str, Any], there: list[Arrival], *, is_paid: bool
) -> None:
    status = str(told.get("status", "unknown"))
    promised = units((one.payout or {})["quote"]["recipient_gets"])
    sum_units = sum(each.units for each in there)
    if status == DELIVERED:
        total.delivered += 1
        if sum_units < promised:
            total.lost.append(_named(one, f"said to be delivered, {sum_units} units came"))
        elif last_hash(told) not in {each.hash for each in there}:
            total.lied.append(_named(one, f"{last_hash(told) or 'no hash'} did not pay it"))
    elif status == FAILED:
        total.failed += 1
        if is_paid:
            total.lied.append(_named(one, "said to have failed, and given back; it was paid"))
    else:
        total.lost.append(_named(one, f"still {status}, {len(there)} transfers"))


def last_hash(told: Mapping[str, Any]) -> str:
    """The hash that the partner was shown last."""
    hashes = [step["tx_hash"] for step in told.get("timeline", []) if step.get("tx_hash")]
    return str(hashes[-1]) if hashes else ""


def balances_off(
    asked: Iterable[Asked],
    told: Mapping[str, dict[str, Any]],
    balances: Mapping[str, Mapping[str, int]],
    *,
    funds_units: int,
) -> list[str]:
    """Users who do not have what they began with less what was sent for them."""
    spent: dict[str, int] = defaultdict(int)
    for one in asked:
        if one.payout is not None and told.get(one.payout_id, {}).get("status") != FAILED:
            spent[one.wish.user] += units(one.payout["quote"]["user_sends"])
    return [
        f"{user} has {has} units instead of {funds_units - spent[user]}"
        for user, lines in balances.items()
        if (has := sum(lines.values())) != funds_units - spent[user]
    ]


def units(amount: str) -> int:
    """Smallest units of a decimal string."""
    return int(Decimal(amount).scaleb(SCALE))


def _named(one: Asked, why: str) -> str:
    return f"{one.payout_id or one.wish.number} to {one.wish.destination}: {why}"
