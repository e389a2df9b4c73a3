"""The assets we carry and the networks they live on, as data.

Sources of the facts below, all outside this house:

- USDT has six decimals on every network listed here (each token's own `decimals`).
- XAUT has six decimals. Tether issues it on Ethereum; USDT0 carries it as XAUt0, locked
  and minted one to one by LayerZero's OFT standard, to Polygon and Arbitrum among
  others (USDT0's launch notices of 2025). Of the networks we carry, those without a
  notice that we could find are left out on purpose.
- Depths, from the design notes on settlement: Ethereum 65 is what Circle waits for;
  Arbitrum, Base and Optimism are final when the Ethereum block that holds them is, so
  they wait those 13 minutes in blocks of their own, of a quarter of a second and of two;
  Polygon has reorganised 157 blocks, so 200; Solana's 32 is what it calls finalized,
  Tron's 20 what it calls solidified. They are where the database's depth policies begin;
  operators edit those.
- Chain ids: the public list at chainid.network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import quote

from engine.rails.errors import AssetUnknown, NetworkUnknown


class Family(StrEnum):
    """Networks whose addresses look alike."""

    EVM = "evm"
    SOLANA = "solana"
    TRON = "tron"
    BITCOIN = "bitcoin"


@dataclass(frozen=True, slots=True)
class Network:
    """One blockchain. `code` is its public name in every API; `name` is for people.

    `broadcast_confirmations` and `final_confirmations` are the depths at which a payout
    is shown as broadcast and believed to be delivered. On EVM networks `chain_id` is
    what EIP-155 signs, and `native` the coin that gas is paid in, of `NATIVE_SCALE`.
    """

    code: str
    name: str
    family: Family
    explorer_tx: str
    explorer_address: str
    final_confirmations: int
    # That a node has it is enough to say so; believing it takes the depth above.
    broadcast_confirmations: int = 0
    chain_id: int = 0
    native: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """One thing of value. `scale` is its number of decimals, on every network alike.

    `natural_network` is where an EVM address is paid when the caller gives no hint.
    """

    code: str
    name: str
    scale: int
    natural_network: str
    networks: tuple[str, ...]


# Decimals of ETH, POL and AVAX alike.
NATIVE_SCALE = 18

_NETWORKS = (
    Network(
        code="ethereum",
        name="Ethereum",
        family=Family.EVM,
        explorer_tx="https://etherscan.io/tx/{}",
        explorer_address="https://etherscan.io/address/{}",
        final_confirmations=65,
        chain_id=1,
        native="ETH",
    ),
    Network(
        code="polygon",
        name="Polygon",
        family=Family.EVM,
        explorer_tx="https://polygonscan.com/tx/{}",
        explorer_address="https://polygonscan.com/address/{}",
        final_confirmations=200,
        chain_id=137,
        native="POL",
    ),
    Network(
        code="arbitrum",
        name="Arbitrum",
        family=Family.EVM,
        explorer_tx="https://arbiscan.io/tx/{}",
        explorer_address="https://arbiscan.io/address/{}",
        final_confirmations=3_120,
        chain_id=42161,
        native="ETH",
    ),
    Network(
        code="base",
        name="Base",
        family=Family.EVM,
        explorer_tx="https://basescan.org/tx/{}",
        explorer_address="https://basescan.org/address/{}",
        final_confirmations=390,
        chain_id=8453,
        native="ETH",
    ),
    Network(
        code="avalanche",
        name="Avalanche",
        family=Family.EVM,
        explorer_tx="https://snowtrace.io/tx/{}",
        explorer_address="https://snowtrace.io/address/{}",
        final_confirmations=1,
        chain_id=43114,
        native="AVAX",
    ),
    Network(
        code="optimism",
        name="Optimism",
        family=Family.EVM,
        explorer_tx="https://optimistic.etherscan.io/tx/{}",
        explorer_address="https://optimistic.etherscan.io/address/{}",
        final_confirmations=390,
        chain_id=10,
        native="ETH",
    ),
    Network(
        code="solana",
        name="Solana",
        family=Family.SOLANA,
        explorer_tx="https://explorer.solana.com/tx/{}",
        explorer_address="https://explorer.solana.com/address/{}",
        final_confirmations=32,
    ),
    Network(
        code="tron",
        name="Tron",
        family=Family.TRON,
        explorer_tx="https://tronscan.org/#/transaction/{}",
        explorer_address="https://tronscan.org/#/address/{}",
        final_confirmations=20,
    ),
    # Known so that its addresses are refused with the right words: no asset lives here.
    Network(
        code="bitcoin",
        name="Bitcoin",
        family=Family.BITCOIN,
        explorer_tx="https://mempool.space/tx/{}",
        explorer_address="https://mempool.space/address/{}",
        final_confirmations=6,
    ),
)

_ASSETS = (
    Asset(
        code="USDT",
        name="Tether USD",
        scale=6,
        natural_network="ethereum",
        networks=(
            "ethereum",
            "polygon",
            "arbitrum",
            "base",
            "avalanche",
            "optimism",
            "solana",
            "tron",
        ),
    ),
    Asset(
        code="XAUT",
        name="Tether Gold",
        scale=6,
        natural_network="ethereum",
        networks=("ethereum", "polygon", "arbitrum"),
    ),
)

NETWORKS = MappingProxyType({network.code: network for network in _NETWORKS})
ASSETS = MappingProxyType({asset.code: asset for asset in _ASSETS})


def asset_named(code: str) -> Asset:
    """The asset called `code`, in any case. Raises AssetUnknown."""
    asset = ASSETS.get(code.upper()) if code.isascii() else None
    if asset is None:
        raise AssetUnknown(known=sorted(ASSETS))
    return asset


def network_named(code: str) -> Network:
    """The network called `code`, in any case. Raises NetworkUnknown."""
    network = NETWORKS.get(code.lower()) if code.isascii() else None
    if network is None:
        raise NetworkUnknown(known=sorted(NETWORKS))
    return network


def networks_of(asset: Asset) -> tuple[Network, ...]:
    """The networks on which `asset` lives, in the order in which we show them."""
    return tuple(NETWORKS[code] for code in asset.networks)


def explorer_tx_url(network: str, reference: str) -> str:
    """Where anybody can watch `reference` (a hash or signature) on `network`."""
    return NETWORKS[network].explorer_tx.format(quote(reference, safe=""))


def explorer_address_url(network: str, address: str) -> str:
    """Where anybody can look at `address` on `network`."""
    return NETWORKS[network].explorer_address.format(quote(address, safe=""))
