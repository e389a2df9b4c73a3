"""Reading just enough of a signed transaction to tell which ones compete for one nonce.

EIP-1559: 0x02 ‖ rlp([chain_id, nonce, tip, max_fee, gas, to, value, calldata, access list,
parity, r, s]). A fee bump changes the fees and the signature, and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPE_1559 = 2
SHORT_TEXT, LONG_TEXT, SHORT_LIST, LONG_LIST = 0x80, 0xB7, 0xC0, 0xF7
SAME = (1, 5, 6, 7)


def bumped(raws: Iterable[str]) -> list[list[str]]:
    """Signed transactions ("0x…") that only differ in fees, oldest first; two at least."""
    groups: dict[tuple[bytes, ...], list[str]] = defaultdict(list)
    for raw in raws:
        body = bytes.fromhex(raw.removeprefix("0x"))
        if body[0] == TYPE_1559:
            fields = _fields(body[1:])
            groups[tuple(fields[number] for number in SAME)].append(raw)
    return [group for group in groups.values() if len(group) > 1]


def _fields(body: bytes) -> list[bytes]:
    """The members of an RLP list; those that are lists themselves stay as they are."""
    start, end = _span(body, 0)
    members = []
    while start < end:
        first, after = _span(body, start)
        members.append(body[first:after])
        start = after
    return members


def _span(body: bytes, at: int) -> tuple[int, int]:
    """Where the content of the RLP member at `at` begins and ends."""
    head = body[at]
    if head < SHORT_TEXT:
        return at, at + 1
    for short, long in ((SHORT_TEXT, LONG_TEXT), (SHORT_LIST, LONG_LIST)):
        if short <= head <= long:
            return at + 1, at + 1 + head - short
        if long < head <= long + 8:
            first = at + 1 + head - long
            return first, first + int.from_bytes(body[at + 1 : first], "big")
    raise AssertionError
