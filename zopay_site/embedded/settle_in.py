"""Writes the local chains into the database: wallets with keys, tokens, how deep is final.

Runs in prepare.py, in every bin/up, and changes nothing when all of it is there. A chain
that is not local is left alone, whatever the settings call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction as database
from django.db.models import Max

from engine.rails.models import (
    DepositWatch,
    DepthPolicy,
    HotWallet,
    Token,
    WalletAsset,
    WalletPurpose,
)
from zopay_site.embedded import devnet
from zopay_site.embedded.chains import LOCAL
from zopay_site.embedded.jsonrpc import ask
from zopay_site.embedded.say import Stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LANES = 2
CONFIRMATIONS = 5
GAS_ALARM_WEI = 100 * devnet.WEI


def settle_in() -> None:
    """Furnish every local chain that is connected. Raises Stop when one lost its past."""
    for network in LOCAL:
        urls = settings.RPC_URLS.get(network, ())
        if urls and all(devnet.is_local(url, network) for url in urls):
            settle_on(network, urls[0])
            _open_deposit_account()


def settle_on(network: str, url: str) -> None:
    """Two lanes, funded, and the rows that let the EVM rail use them."""
    # Not the lanes of deposit addresses: what is minted there would be credited to users.
    wallets = list(HotWallet.objects.filter(network=network, purpose=WalletPurpose.PAYOUTS))
    is_new = not wallets
    refuse_if_lost(network, url, wallets)
    if is_new:
        wallets = [_wallet(network, f"{network}-{number + 1}") for number in range(LANES)]
    known = dict(Token.objects.filter(network=network).values_list("asset", "address"))
    tokens = devnet.furnish(
        url, network, wallets=[wallet.address for wallet in wallets], known=known
    )
    _write(network, wallets, tokens, is_new=is_new)
    _begin_search(network)


def refuse_if_lost(network: str, url: str, wallets: Sequence[HotWallet]) -> None:
    """Stop when a nonce that was used up for good is free again on this chain."""
    for wallet in wallets:
        used = wallet.slots.filter(closed_at__isnull=False).aggregate(most=Max("nonce"))["most"]
        count = int(ask(url, "eth_getTransactionCount", wallet.address, "latest"), 16)
        if used is not None and count <= used:
            raise Stop(
                f"The local {network} chain has lost blocks in which payouts were final, "
                "and the database remembers them.",
                then="bin/up --fresh starts over, without the data",
            )


def _open_deposit_account() -> None:
    """Users pay in at addresses of an account that is made here, unless there is one."""
    if settings.DEPOSIT_XPUB or (settings.KEYSTORE_DIR / "deposits.json").exists():
        return
    from engine.rails import signing  # As below.

    signing.create_deposit_account()


def _begin_search(network: str) -> None:
    """Before anybody is told an address there: what comes earlier is not looked for."""
    if DepositWatch.objects.filter(network=network).exists():
        return
    # 56 MB, and needed once in the life of a home.
    from engine.rails.evm.transfers_in import see_search_begun

    see_search_begun(network)


def _wallet(network: str, key_name: str) -> HotWallet:
    """A wallet that is not saved yet, with a key that is kept."""
    # 56 MB, and needed once in the life of a home.
    from engine.rails import signing

    kept = settings.KEYSTORE_DIR / f"{key_name}.json"
    address = (
        signing.signer().address_of(key_name) if kept.exists() else signing.create_key(key_name)
    )
    return HotWallet(
        network=network, address=address, key_name=key_name, gas_alarm_wei=GAS_ALARM_WEI
    )


@database.atomic
def _write(
    network: str, wallets: Sequence[HotWallet], tokens: Mapping[str, str], *, is_new: bool
) -> None:
    for asset, address in tokens.items():
        Token.objects.update_or_create(
            network=network, asset=asset, defaults={"address": address}
        )
    if is_new:
        # Once: afterwards the policy is whatever somebody at the admin has made of it.
        DepthPolicy.objects.filter(network=network).delete()
        DepthPolicy.objects.create(network=network, confirmations=CONFIRMATIONS)
        HotWallet.objects.bulk_create(wallets)
        WalletAsset.objects.bulk_create(
            WalletAsset(wallet=wallet, asset=asset) for wallet in wallets for asset in tokens
        )
