"""Crediting what arrives on chains: once, and only when it is as deep as the policy asks.

Each network is searched block by block, up to as deep as its deepest policy asks for any
amount: so every transfer that is found may be believed, whatever its size, and nothing is
noted down to be looked at again. Users wait for the deepest policy; that is its price.

Credits and how far the search has come are one database transaction, on the locked row of
the network. So a search that dies is repeated from where it was, and of two searchers of
the same blocks the second one finds that they were done.

When the block before the next one is not the one that was searched, the chain was
reorganised deeper than its policy: what was credited may be gone. Then the network is not
searched any more until a person has looked (manage.py resume_deposits). Nothing is ever
taken back here.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from engine.ledger import accounts
from engine.ledger.services import move, open_account
from engine.payouts.funds import credit_deposit, open_holding, open_system_account
from engine.rails.alarms import tell_operators
from engine.rails.connections import connected_networks
from engine.rails.deposits import begin_search
from engine.rails.depths import largest_depth
from engine.rails.errors import RailUnavailable
from engine.rails.models import Arrival, ArrivalState, DepositKey, DepositWatch, Token

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from engine.rails.evm.transfers_in import Found, TransferIn

logger = structlog.get_logger(__name__)

# A round ends before Celery's time limit does it; the next one goes on from there.
NETWORK_SECONDS_MAX = 10.0
# So many addresses are named to nodes in each round; of more, a round costs as much as it
# finds, however many there are.
KEYS_NAMED_MAX = 2000
# Only live keys have real addresses.
LIVE = True


def watch_deposits() -> int:
    """Search every connected network for deposits. Returns how many transfers were kept.

    Any number of workers may do it at once. One network's trouble stops no other.
    """
    kept = 0
    for network in connected_networks():
        try:
            kept += watch_network(network)
        except RailUnavailable as error:
            logger.warning("deposits_wait", network=network, error=error.message)
        except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
            # The database is away, or the time is up: it is not the network's fault.
            raise
        except Exception:
            logger.exception("deposits_broke", network=network)
    return kept


def watch_network(network: str) -> int:
    """Search one network up to its policy's depth. Returns how many transfers were kept.

    Raises RailUnavailable when too few nodes answer, or not alike.
    """
    # Here, because web processes load this module, and web3 takes 56 MB.
    from engine.rails.evm.chains import connected_chain
    from engine.rails.evm.transfers_in import Search, agreed_head, find_transfers

    began, kept = monotonic(), 0
    chain = connected_chain(network)
    head = agreed_head(chain)
    last = head - largest_depth(network) + 1
    watch = begin_search(network, head=head)
    if watch.halted_at is not None or watch.next_block > last:
        return 0
    # Only after the head is known: whoever gets an address later is paid in a later block.
    search = Search(
        tokens={
            token.address.lower(): token.asset
            for token in Token.objects.filter(network=network)
        },
        **_whose(),
    )
    while watch.next_block <= last and monotonic() - began < NETWORK_SECONDS_MAX:
        found = find_transfers(chain, search, first=watch.next_block, last=last)
        moved_on = keep(watch, found)
        if moved_on is None:
            break
        kept += len(found.transfers)
        watch = moved_on
    return kept


def _whose() -> dict[str, Any]:
    """Our addresses, for a search; or who can tell them, once they are too many to name."""
    addresses = list(
        DepositKey.objects.order_by("pk").values_list("address", flat=True)[
            : KEYS_NAMED_MAX + 1
        ]
    )
    if len(addresses) > KEYS_NAMED_MAX:
        return {"ours_among": _ours_among}
    return {"addresses": addresses}


def _ours_among(addresses: Collection[str]) -> list[str]:
    keys = DepositKey.objects.filter(address__in=list(addresses))
    return list(keys.values_list("address", flat=True))


def keep(watch: DepositWatch, found: Found) -> DepositWatch | None:
    """Credit what was found from `watch.next_block` on, and move on; all or nothing.

    None when the row is not as it was when the search began: somebody else was quicker,
    or the network is halted, perhaps by this.
    """
    with transaction.atomic():
        row = DepositWatch.objects.select_for_update().get(pk=watch.pk)
        if row.halted_at is not None or (row.next_block, row.last_hash) != (
            watch.next_block,
            watch.last_hash,
        ):
            return None
        if row.last_hash and row.last_hash != found.before_hash:
            _halt(row, found)
            return None
        _book(row.network, found.transfers)
        row.next_block, row.last_hash = found.last + 1, found.last_hash
        row.save(update_fields=["next_block", "last_hash"])
        DepositWatch.objects.filter(pk=row.pk).update(searched_at=Now())
        return row


def _halt(row: DepositWatch, found: Found) -> None:
    number = row.next_block - 1
    why = f"block {number} was {row.last_hash} and is now {found.before_hash}"
    logger.error("deposits_halted", network=row.network, why=why)
    DepositWatch.objects.filter(pk=row.pk).update(
        halted_at=Now(), halted_why=f"reorganised deeper than the policy: {why}"
    )
    tell_operators(
        subject=f"Zopay searches {row.network} for deposits no more",
        text=f"{row.network} reorganised deeper than the policy: {why}.\n\nWhat was credited"
        " may be gone, and nothing more is credited there until a person has looked at the"
        " last Arrivals in admin, and says bin/manage resume_deposits --network"
        f" {row.network}.\n",
    )


def _book(network: str, transfers: Sequence[TransferIn]) -> None:
    """Keep each transfer and credit it, in the order of the accounts that are locked."""
    keys = DepositKey.objects.in_bulk(
        sorted({one.to for one in transfers}), field_name="address"
    )
    credits_ = sorted(
        (
            (_account_of(keys[one.to], network, one.asset), one)
            for one in _without_known(network, transfers, keys)
        ),
    )
    for account_id, one in credits_:
        _credit(keys[one.to], network, one, account_id=account_id)


def _without_known(
    network: str, transfers: Sequence[TransferIn], keys: dict[str, DepositKey]
) -> list[TransferIn]:
    """Keep a row of each transfer. Returns those to be credited.

    What was kept before, when a person has sent the search back, is passed over. A chain
    transaction that was kept in another block is the same money: a person must look.
    """
    blocks: dict[str, set[str]] = {}
    known: set[tuple[str, int, str]] = set()
    hashes = [one.tx_hash for one in transfers]
    for row in Arrival.objects.filter(network=network, tx_hash__in=hashes):
        blocks.setdefault(row.tx_hash, set()).add(row.block_hash)
        known.add((row.tx_hash, row.log_index, row.block_hash))
    new = [
        one for one in transfers if (one.tx_hash, one.log_index, one.block_hash) not in known
    ]
    states = {one: _state_of(one, keys[one.to], blocks.get(one.tx_hash, set())) for one in new}
    Arrival.objects.bulk_create(
        [
            Arrival(
                network=network,
                tx_hash=one.tx_hash,
                log_index=one.log_index,
                block_number=one.block_number,
                block_hash=one.block_hash,
                key=keys[one.to],
                asset=one.asset,
                units=one.units,
                sender=one.sender,
                state=state,
            )
            for one, state in states.items()
        ]
    )
    return [one for one, state in states.items() if state != ArrivalState.REVIEW]


def _state_of(one: TransferIn, key: DepositKey, blocks: set[str]) -> ArrivalState:
    if blocks - {one.block_hash}:
        logger.error("arrived_in_two_blocks", tx_hash=one.tx_hash, block=one.block_number)
        return ArrivalState.REVIEW
    return ArrivalState.TREASURY if key.end_user_id is None else ArrivalState.CREDITED


def _account_of(key: DepositKey, network: str, asset: str) -> int:
    if key.end_user_id is None:
        code = accounts.partner_available(key.partner_id.hex, network)
        return open_account(code=code, asset=asset, livemode=LIVE, **accounts.kind_of(code))
    available, _ = open_holding(
        end_user_id=key.end_user_id, livemode=LIVE, asset=asset, network=network
    )
    return available


def _credit(key: DepositKey, network: str, one: TransferIn, *, account_id: int) -> None:
    reference = f"{one.tx_hash}:{one.log_index}"
    if key.end_user_id is None:
        # No user, so no deposit that an API could show: the books and the kept row say it.
        move(
            reference=f"treasury:{network}:{reference}",
            debit=open_system_account(accounts.custody(network), one.asset, LIVE),
            credit=account_id,
            units=one.units,
        )
        return
    credit_deposit(
        partner_id=key.partner_id,
        livemode=LIVE,
        end_user_id=key.end_user_id,
        asset=one.asset,
        network=network,
        units=one.units,
        reference=reference,
    )
