"""Tell the house of a hot wallet, and where its nonces begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from engine.common.errors import AmountInvalid
from engine.common.units import parse_amount
from engine.rails.connections import connected_networks
from engine.rails.errors import RailUnavailable
from engine.rails.management.wallets_named import network_code
from engine.rails.models import HotWallet, Token, WalletAsset, WalletPurpose
from engine.rails.networks import NATIVE_SCALE, NETWORKS, explorer_address_url

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Add a wallet whose key the signer has. Nobody else may use that key: its nonces"
        " are counted here from now on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", required=True)
        parser.add_argument("--key-name", required=True, help="what the signer calls its key")
        parser.add_argument(
            "--create-key", action="store_true", help="make the key, in KEYSTORE_DIR"
        )
        parser.add_argument("--purpose", choices=WalletPurpose.values, default="payouts")
        parser.add_argument(
            "--gas-alarm", default="0", help='in the native coin, such as "0.05"'
        )

    def handle(
        self,
        *_args: Any,
        network: str,
        key_name: str,
        create_key: bool,
        purpose: str,
        gas_alarm: str,
        **_options: Any,
    ) -> None:
        network = network_code(network)
        if network not in connected_networks():
            raise CommandError(f"{network} is not connected: set RPC_URL_{network.upper()}.")
        if HotWallet.objects.filter(network=network, key_name=key_name).exists():
            raise CommandError(f"{network} has a wallet of the key {key_name} already.")
        alarm = _alarm(gas_alarm)
        try:
            address = _address(key_name, is_new=create_key)
            nonce = _nonce(network, address)
        except RailUnavailable as error:
            raise CommandError(error.message) from None
        if HotWallet.objects.filter(network=network, address=address).exists():
            raise CommandError(f"{network} has the wallet {address} already.")
        with transaction.atomic():
            wallet = HotWallet.objects.create(
                network=network,
                address=address,
                key_name=key_name,
                purpose=purpose,
                next_nonce=nonce,
                gas_alarm_wei=alarm,
            )
            tokens = Token.objects.filter(network=network).values_list("asset", flat=True)
            WalletAsset.objects.bulk_create(
                [WalletAsset(wallet=wallet, asset=asset) for asset in tokens]
            )
        self.stdout.write(f"Added: {wallet}, from nonce {nonce}.")
        self.stdout.write(f"Send it {NETWORKS[network].native} for gas and tokens to pay with:")
        self.stdout.write(explorer_address_url(network, address))


def _alarm(text: str) -> int:
    try:
        return 0 if text == "0" else parse_amount(text, scale=NATIVE_SCALE)
    except AmountInvalid as refusal:
        raise CommandError(f"--gas-alarm: {refusal.message}") from None


def _address(key_name: str, *, is_new: bool) -> str:
    """Whose key it is. Raises SigningUnavailable."""
    # Here, since it loads 56 MB that no other command of this folder needs.
    from engine.rails import signing

    return signing.create_key(key_name) if is_new else signing.signer().address_of(key_name)


def _nonce(network: str, address: str) -> int:
    """How many nonces the address has used, by every node alike. Raises RailUnavailable."""
    from engine.rails.evm.rpc import Call, RpcRefused, chain_of

    tags = ("latest", "pending")
    told = chain_of(network).ask_each(
        [Call("eth_getTransactionCount", [address, tag]) for tag in tags]
    )
    answers = {answer for answers in told for answer in answers}
    if any(isinstance(answer, RpcRefused) for answer in answers):
        raise CommandError(f"A node of {network} does not tell the nonce of {address}.")
    if len(answers) != 1:
        # Whatever is in the air takes a nonce that we would give out again.
        raise CommandError(
            f"{address} has something under way, or the nodes of {network} disagree. Wait"
            " until all of it is mined, and let nobody else use that key."
        )
    return int(str(answers.pop()), 16)
