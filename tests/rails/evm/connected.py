"""Networks that are connected to nodes of a test's own making."""

from contextlib import contextmanager

from engine.rails.evm.measures import forget_measures
from engine.rails.evm.rpc import forget_chains
from tests.rails.evm.nodes import Node


def history(*, base=(10**9, 2 * 10**9), tips=(10**9,) * 3, used=(0.5, 0.5, 0.5)):
    """What a node says of its fees; `base` ends with the next block's."""
    return {
        "oldestBlock": "0x1",
        "baseFeePerGas": [hex(one) for one in base],
        "gasUsedRatio": list(used),
        "reward": [[hex(one)] for one in tips],
    }


@contextmanager
def connecting(settings):
    """A call that starts so many nodes of a network and connects it to them."""
    settings.RPC_TIMEOUT_SECONDS = 2.0
    settings.RPC_QUORUM = 0
    nodes = []

    def start(count=1, *, network="ethereum", chain_id=1, **options):
        made = [Node(chain_id=chain_id, **options) for _ in range(count)]
        for node in made:
            node.answers["eth_feeHistory"] = history()
        settings.RPC_URLS = {network: tuple(node.url for node in made)}
        nodes.extend(made)
        return made

    forget_chains()
    forget_measures()
    yield start
    forget_chains()
    for node in nodes:
        node.close()
