"""Stablecoin: digital dollars to a wallet of the recipient's own, on a network she chooses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from engine.common.units import divide_up
from engine.payouts.models import AssetPrice, NetworkFee
from engine.payouts.rail_choice import can_pay
from engine.rails.addresses import read_address
from engine.rails.errors import AddressInvalid
from engine.rails.networks import ASSETS, NETWORKS, networks_of
from payments.fields import CHOICE, Choice, DetailsInvalid, Field, Method, answer
from payments.page_words import readable
from payments.payees import Payee

if TYPE_CHECKING:
    from collections.abc import Mapping

    from payments.models import Payment

CODE = "stablecoin"
ASSET = "USDT"
# What wallets call the token on networks where it has a name of its own.
STANDARDS = {"ethereum": "ERC-20", "tron": "TRC-20", "solana": "SPL"}
CENT_USD_MICROS = 10_000


def offer(payment: Payment) -> Method | None:
    """Ask for an address on a network that we pay, while the rates are fresh."""
    networks = _networks(payment) if _has_fresh_rates(payment.currency) else {}
    if not networks:
        return None
    return Method(
        code=CODE,
        title=gettext("Digital dollars (%(asset)s)") % {"asset": ASSET},
        description=gettext("To a wallet of your own. Only if you know what that is."),
        question=gettext("Which wallet should receive the dollars?"),
        fields=(_network_field(networks), _address_field()),
    )


def read(payment: Payment, raw: Mapping[str, str]) -> Payee:
    """An address that is valid on the network; the network may be told by the address."""
    networks = _networks(payment)
    code = answer(raw, "network").lower()
    # A copied address may bring a line break with it; no address has a space in it.
    text = "".join(answer(raw, "address").split())
    if not text:
        raise DetailsInvalid({"address": gettext("Paste the address of your wallet.")})
    try:
        address = read_address(text)
    except AddressInvalid as refusal:
        raise DetailsInvalid({"address": _trouble(refusal.reason)}) from None
    if not code and len(address.networks) == 1:
        (code,) = address.networks
    if not code:
        raise DetailsInvalid({"network": gettext("Choose the network of your wallet.")})
    if code not in address.networks:
        raise DetailsInvalid({"address": _mismatch(code, address.networks)})
    if code not in networks:
        words = gettext("That network cannot be paid just now. Choose another.")
        raise DetailsInvalid({"network": words})
    return Payee(network=code, asset=ASSET, destination=address.canonical)


def written(payee: Payee) -> dict[str, str]:
    return {"network": payee.network, "address": payee.destination}


def _has_fresh_rates(currency: str) -> bool:
    """A price of yesterday is no price: somebody would lose by it."""
    since = timezone.now() - timedelta(hours=settings.RATE_HOURS_MAX)
    wanted = {currency, ASSET}
    fresh = AssetPrice.objects.filter(asset__in=wanted, as_of__gte=since)
    return fresh.count() == len(wanted)


def _networks(payment: Payment) -> dict[str, int]:
    """The networks that we pay the asset on, cheapest first, with a transfer's price."""
    prices = dict(
        NetworkFee.objects.filter(is_enabled=True).values_list("network", "transfer_usd_micros")
    )
    reached = {
        network.code: prices[network.code]
        for network in networks_of(ASSETS[ASSET])
        if network.code in prices and can_pay(network.code, livemode=payment.livemode)
    }
    return dict(sorted(reached.items(), key=lambda pair: pair[1]))


def _network_field(networks: Mapping[str, int]) -> Field:
    return Field(
        name="network",
        label=gettext("Network"),
        hint=gettext("Where your wallet receives %(asset)s.") % {"asset": ASSET},
        kind=CHOICE,
        choices=tuple(
            Choice(code, NETWORKS[code].name, _note(code, price))
            for code, price in networks.items()
        ),
    )


def _address_field() -> Field:
    return Field(
        name="address",
        label=gettext("Address of the wallet"),
        hint=gettext("Copy it in your wallet and paste it here: it is too long to type."),
        length_max=128,
    )


def _note(code: str, usd_micros: int) -> str:
    """What wallets call the token there, and what a transfer costs, to the cent."""
    cents = max(divide_up(usd_micros, CENT_USD_MICROS), 1)
    dollars = readable(f"{cents // 100}.{cents % 100:02}")
    price = gettext("about %(dollars)s USD") % {"dollars": dollars}
    return f"{STANDARDS[code]}, {price}" if code in STANDARDS else price


def _mismatch(code: str, networks: tuple[str, ...]) -> str:
    """Which network the address is of; several share one shape."""
    chosen = NETWORKS.get(code)
    if chosen is None:
        return gettext("Choose the network of your wallet.")
    words = gettext(
        "This is an address of %(found)s, and you have chosen %(chosen)s. Choose the network"
        " where your wallet receives, and paste its address of that network."
    )
    return words % {"found": NETWORKS[networks[0]].name, "chosen": chosen.name}


def _trouble(reason: str) -> str:
    """The sentence for a reason of read_address."""
    match reason:
        case "checksum_mismatch":
            return gettext("A character in this address is wrong. Copy it again, do not type.")
        case "length_wrong":
            return gettext("This address is too short or too long. Copy all of it.")
        case "not_a_wallet" | "token_contract":
            return gettext(
                "This address belongs to a program, and no wallet. Copy the one that your"
                " wallet shows under Receive."
            )
        case "burn_address":
            return gettext("Nobody owns this address: what is sent there is lost.")
        case "test_network":
            return gettext("This address is for tests. Copy one for real money.")
    return gettext("This is no address that we know. Copy it from your wallet once more.")
