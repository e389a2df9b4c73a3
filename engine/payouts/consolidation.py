"""Bringing deposits together in hot wallets, and booking the gas that it took.

The money stays the house's own, so the books do not move with it: custody of a network is
all of the network's addresses together. Only gas leaves. What one run has begun, any later
one ends, and the deposit watcher's round too: a nonce of a hot wallet that is taken and not
sent would hold up every payout behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, transaction

from engine.payouts import fence
from engine.payouts.costs import NetworkCost, book_network_costs
from engine.payouts.models import Freeze
from engine.rails.connections import connected_networks
from engine.rails.errors import RailUnavailable
from engine.rails.models import DepositKey, HotWallet, Slot
from engine.rails.networks import NETWORKS

if TYPE_CHECKING:
    from engine.rails.evm.consolidation import Sweep

logger = structlog.get_logger(__name__)

# The hot wallet that has least of the asset, by what was last seen there.
POOREST = """
    SELECT w.id FROM rails_hotwallet w
    LEFT JOIN rails_walletasset a ON a.wallet_id = w.id AND a.asset = %(asset)s
    WHERE w.network = %(network)s AND w.purpose = 'payouts' AND w.is_enabled
      AND w.frozen_at IS NULL
    ORDER BY coalesce(a.balance_units, 0), w.id LIMIT 1
"""
# Nonces that are used up, and whose gas is not in the books. What another worker books just
# now is left to it.
UNBOOKED = """
    SELECT s.id, s.mined_hash, s.spent_wei FROM rails_slot s
    JOIN rails_hotwallet w ON w.id = s.wallet_id
    WHERE w.network = %(network)s AND s.kind IN ('gas', 'consolidation')
      AND s.closed_at IS NOT NULL AND s.booked_at IS NULL AND s.spent_wei > 0
    ORDER BY s.id LIMIT 1000 FOR UPDATE OF s SKIP LOCKED
"""
BOOKED = "UPDATE rails_slot SET booked_at = clock_timestamp() WHERE id = ANY(%s::bigint[])"


class Halted(Exception):
    """Nothing is sent on this network just now; the text says why."""


@dataclass(slots=True)
class Round:
    """What one round found and did. `to` is the hot wallet that the tokens go to."""

    to: HotWallet | None = None
    sweeps: list[Sweep] = field(default_factory=list)
    gas_sent: int = 0
    swept: int = 0


def consolidate(*, network: str, asset: str, units_min: int, is_dry: bool = False) -> Round:
    """One round: send gas to addresses that lack it, and sweep those that have it.

    Only addresses at which a deposit was kept are looked at. With `is_dry` nothing is
    taken, sent or signed. Raises Halted, and RailUnavailable when nodes do not answer.
    """
    # Here, because web processes load this package, and web3 takes 56 MB.
    from engine.rails.evm import consolidation

    if not is_dry and not may_send(network):
        raise Halted(f"{network} is frozen: nothing is signed there.")
    done = Round(to=_poorest(network, asset))
    if done.to is None:
        raise Halted(f"{network} has no wallet that could take it.")
    keys = list(
        DepositKey.objects.filter(arrivals__network=network, arrivals__asset=asset)
        .distinct()
        .order_by("pk")
    )
    to = done.to.address
    done.sweeps = consolidation.survey(network, asset, keys, to=to, units_min=units_min)
    if is_dry:
        return done
    done.sweeps = [
        consolidation.with_wallet(network, one) if one.state in {"ready", "needs gas"} else one
        for one in done.sweeps
    ]
    done.gas_sent = consolidation.take_gas(network, done.sweeps)
    done.swept = sum(
        consolidation.take_sweep(network, asset, one, to=to)
        for one in done.sweeps
        if one.state == "ready"
    )
    return done


def drive(network: str) -> int:
    """Take whatever gas and sweeps are open further, and book what is over.

    Returns how many are still open. Raises RailUnavailable.
    """
    from engine.rails.evm import consolidation  # As above.

    if _open(network):
        consolidation.drive(network, is_sending=may_send(network))
    _book_gas(network)
    return _open(network)


def drive_all() -> None:
    """Drive every connected network; one network's trouble stops no other."""
    for network in connected_networks():
        try:
            drive(network)
        except RailUnavailable as error:
            logger.warning("consolidation_waits", network=network, error=error.message)
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
            raise
        except Exception:
            logger.exception("consolidation_broke", network=network)


def may_send(network: str) -> bool:
    """Whether neither the restore fence nor an operator's freeze stands in the way."""
    frozen = Freeze.objects.filter(lifted_at__isnull=True, network__in=["", network])
    # Without a journal here, as on an operator's own host, the fence still counts: sweeps are
    # in no journal, so that host need have none.
    return fence.check(sends=False) and not frozen.exists()


def _open(network: str) -> int:
    return Slot.objects.filter(
        wallet__network=network, kind__in=("gas", "consolidation"), closed_at=None
    ).count()


def _poorest(network: str, asset: str) -> HotWallet | None:
    return next(
        iter(HotWallet.objects.raw(POOREST, {"network": network, "asset": asset})), None
    )


def _book_gas(network: str) -> int:
    """Returns how many costs were new: what the books know already is only noted here."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(UNBOOKED, {"network": network})
        rows = cursor.fetchall()
        if not rows:
            return 0
        cursor.execute(BOOKED, [[key for key, _, _ in rows]])
        return book_network_costs(
            [
                NetworkCost(network, NETWORKS[network].native, int(wei), hash_)
                for _, hash_, wei in rows
            ]
        )
