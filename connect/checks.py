"""One traffic light for a destination, and the checks behind it.

red     do not pay there: it would fail, or be lost
amber   look again: it resembles an address that was paid before, and is another
green   nothing speaks against it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.rails.addresses import looks_like, pick_network, read_address
from engine.rails.errors import AddressInvalid, AssetNotOnNetwork, DestinationInvalid
from engine.rails.networks import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from engine.rails.addresses import Address
    from engine.rails.networks import Asset

# What an address can be refused for, by the check that refuses it; the rest is its shape.
CHECK_OF_REASON = {
    "checksum_mismatch": "checksum",
    "not_a_wallet": "contract",
    "token_contract": "contract",
    "burn_address": "contract",
}
CHECKS = ("shape", "checksum", "network", "contract", "look_alike", "blocked")
GOOD = {
    "shape": "This is an address.",
    "checksum": "The checksum matches.",
    "contract": "It is not a contract or burn address that we know.",
    "look_alike": "It does not imitate an address this user was paid at before.",
    "blocked": "It is on no list that forbids paying there.",
}


def check_destination(
    *,
    destination: str,
    asset: Asset,
    hint: str | None,
    open_networks: Collection[str],
    paid_before: Collection[str],
    is_blocked: Callable[[str], bool],
) -> dict[str, Any]:
    """Look at a destination from every side.

    `open_networks` are those that payouts go to now, `paid_before` canonical addresses.
    Where the text is no address, the checks after the one that failed say nothing.
    """
    try:
        address = read_address(destination)
    except AddressInvalid as refusal:
        return _unreadable(refusal)
    network, objection = _network_of(address, asset, hint, open_networks)
    imitated = next((paid for paid in paid_before if looks_like(paid, address.canonical)), None)
    found = {
        "checksum": (True, _checksum_message(address, destination)),
        "network": (objection is None, objection or f"{asset.code} can be sent there."),
    }
    if imitated is not None:
        found["look_alike"] = (
            False,
            f"It begins and ends like {imitated}, which was paid before, and is another.",
        )
    if is_blocked(address.canonical):
        found["blocked"] = (False, "Payouts to this destination are not allowed.")
    checks = [
        {"name": name, "ok": ok, "message": message}
        for name in CHECKS
        for ok, message in (found.get(name) or (True, GOOD[name]),)
    ]
    failed = {check["name"] for check in checks if not check["ok"]}
    light = "green" if not failed else "amber" if failed == {"look_alike"} else "red"
    answer: dict[str, Any] = {"light": light}
    if network is not None:
        answer["network"] = network
    return answer | {"address": address.canonical, "checks": checks}


def _unreadable(refusal: AddressInvalid) -> dict[str, Any]:
    failed = CHECK_OF_REASON.get(refusal.reason, "shape")
    checks: list[dict[str, Any]] = []
    if failed != "shape":
        checks.append({"name": "shape", "ok": True, "message": GOOD["shape"]})
    checks.append({"name": failed, "ok": False, "message": refusal.message})
    return {"light": "red", "checks": checks}


def _network_of(
    address: Address, asset: Asset, hint: str | None, open_networks: Collection[str]
) -> tuple[str | None, str | None]:
    """The network it would be paid on, and what speaks against that."""
    try:
        network = pick_network(address=address, asset=asset, hint=hint)
    except (DestinationInvalid, AssetNotOnNetwork) as refusal:
        return None, refusal.message
    if network.code not in open_networks:
        return network.code, f"Payouts to {network.name} are switched off right now."
    return network.code, None


def _checksum_message(address: Address, written: str) -> str:
    has_none = address.family is Family.SOLANA or (
        address.family is Family.EVM and written != address.canonical
    )
    if has_none:
        return "This spelling carries no checksum: a mistyped character may not show."
    return GOOD["checksum"]
