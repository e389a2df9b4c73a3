"""Celery's way to the chains: one payload-free task, safe to lose and to double."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from celery import shared_task
from django.db import connection

from engine.rails.connections import connected_networks
from engine.rails.errors import RailUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = structlog.get_logger(__name__)

# One look at a time for each network: a node that hangs must not hold up every worker.
LOCK_SPACE = 4


@shared_task(name="rails.watch_chains")
def watch_chains() -> None:
    """Look at every connected chain: head, fees, depth, and what our wallets hold."""
    for network in connected_networks():
        with _alone(network) as is_alone:
            if is_alone:
                watch_chain(network)


def watch_chain(network: str) -> None:
    """Look at one chain. What keeps it from answering is logged, and never raised."""
    # Here, because this module is loaded wherever tasks are named, and web3 is large.
    from engine.rails.evm.heads import watch_head
    from engine.rails.evm.measures import measure
    from engine.rails.evm.transfers_in import see_search_begun
    from engine.rails.evm.wallet_watch import watch_wallets

    try:
        head = watch_head(network)
        if head is not None:
            watch_wallets(head)
            measure(network, number=head.number)
        see_search_begun(network)
    except RailUnavailable as error:
        logger.warning("chain_away", network=network, error=error.message)
    except Exception:
        # One chain's strange answer must not stop the others.
        logger.exception("chain_watch_failed", network=network)


@contextmanager
def _alone(network: str) -> Iterator[bool]:
    """Whether nobody else looks at this network; a session's lock, gone when it dies."""
    key = (LOCK_SPACE, network)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", key)
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", key)
