"""A real chain for tests: an anvil of their own, furnished with our tokens.

It makes a block only when a test asks for one (`mine`), a second after the last by its clock.
"""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from zopay_site.embedded import anvil, chains, devnet
from zopay_site.embedded.jsonrpc import ask


@contextmanager
def running(network, *, wallets):
    """The url of a chain and its tokens by asset; skips where no anvil is to be had."""
    try:
        program = anvil.find_or_fetch()
    except anvil.NoAnvil as why:
        pytest.skip(str(why))
    with TemporaryDirectory() as folder:
        node = chains.start(Path(folder), network, program, durable=False, block_seconds=None)
        try:
            ask(node.url, "anvil_setBlockTimestampInterval", 1)
            yield node.url, devnet.furnish(node.url, network, wallets=wallets)
        finally:
            node.stop()


def mine(url, blocks=1):
    """Make so many blocks."""
    for _ in range(blocks):
        ask(url, "evm_mine")
