"""What tests of the EVM rail say for short."""

import pytest
from django.db import transaction

from engine.rails.base import Prepared, rail_named
from engine.rails.evm.erc20 import TRANSFER_TOPIC
from engine.rails.models import HotWallet, SignedTransaction, Slot
from tests.rails.evm.nodes import Node, Refusal
from zopay_site.embedded import devnet
from zopay_site.embedded.jsonrpc import Refused, ask

GWEI = 10**9
DEPTH = 5
LANE = "SELECT 1 FROM rails_hotwallet WHERE id = %s FOR UPDATE"


def rail():
    return rail_named("evm")


def prepare(*orders):
    with transaction.atomic():
        return rail().prepare(orders)


def sent(*orders):
    """Prepare and submit; what was prepared, alone when there is one."""
    prepared = prepare(*orders)
    assert all(isinstance(one, Prepared) for one in prepared), prepared
    rail().submit(prepared)
    return prepared[0] if len(prepared) == 1 else prepared


class Killed(BaseException):
    """The worker dies here."""


def submit_and_die(monkeypatch, owner, name, *prepared):
    """Submit with a worker that is killed when it calls `name` of `owner`."""

    def die(*_):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(owner, name, die)
        with pytest.raises(Killed):
            rail().submit(list(prepared))


def look(prepared):
    (sighting,) = rail().look_up([prepared])
    return sighting


def slot_of(prepared):
    return Slot.objects.get(pk=int(prepared.payload))


def signed_at(prepared):
    """Everything that was signed for it, the oldest first."""
    return list(SignedTransaction.objects.filter(slot_id=int(prepared.payload)).order_by("pk"))


def hashes_of(prepared):
    return [one.hash for one in signed_at(prepared)]


def payments(net, asset="USDT"):
    """What our wallets have paid, by the token's own logs: (destination, units) each."""
    ours = {wallet.lower() for wallet in HotWallet.objects.values_list("address", flat=True)}
    logs = net.ask(
        "eth_getLogs",
        {"fromBlock": "0x0", "address": net.token(asset), "topics": [TRANSFER_TOPIC]},
    )
    return [
        ("0x" + log["topics"][2][-40:], int(log["data"], 16))
        for log in logs
        if "0x" + log["topics"][1][-40:] in ours
    ]


def pool(net):
    """How many sends the node holds that no block does."""
    status = net.ask("txpool_status")
    return int(status["pending"], 16) + int(status["queued"], 16)


def spike(net, gwei, blocks=2):
    """Make blocks in which a unit of gas costs so much; what offers less is left out.

    Each is a second younger than the last: a fee is bumped only while the chain moves on.
    """
    for _ in range(blocks):
        net.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
        net.ask("evm_increaseTime", 1)
        net.ask("evm_mine")
    net.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))


def calm(net):
    net.ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))


def owner_does(net, signature, *values, asset="USDT"):
    """Let the token's owner do something, and mine it."""
    owner = net.ask("eth_accounts")[0]
    line = devnet.call(signature, *values)
    devnet.mined(net.url, [devnet.send(net.url, owner, to=net.token(asset), code=line)])


def somebody_sends(net, wallet, *, to, code):
    """Send with a key of ours, but outside our books; it takes the chain's next nonce."""
    net.ask("anvil_impersonateAccount", wallet)
    return devnet.send(net.url, wallet, to=to, code=code)


class Mirror(Node):
    """A second node of a real chain, that answers as the first but where it is bent.

    `bends` maps a method to a call that takes the params and the true answer, and returns
    another or raises Refusal. `deaf` methods never reach the chain.
    """

    def __init__(self, net, **bends):
        self.chain, self.bends, self.deaf = net.url, bends, set()
        super().__init__(chain_id=int(net.ask("eth_chainId"), 16))

    def _result(self, call):
        method, params = call["method"], call["params"]
        try:
            answer = None if method in self.deaf else ask(self.chain, method, *params)
        except Refused as refused:
            raise Refusal(-32000, str(refused)) from None
        bend = self.bends.get(method)
        return answer if bend is None else bend(params, answer)
