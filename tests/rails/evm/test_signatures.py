"""Nothing is sent that was not stored before; nothing is stored that a frozen wallet signed."""

from itertools import count

import pytest
from django.db import connection, transaction

from engine.rails import signing
from engine.rails.base import Outcome
from engine.rails.errors import RailUnavailable
from engine.rails.evm import signatures
from engine.rails.evm.rpc import Chain, forget_chains
from engine.rails.models import HotWallet, SignedTransaction
from engine.rails.signing import KeystoreSigner, SigningUnavailable, forget_signers
from engine.rails.wallets import freeze_wallets
from tests.meeting import (
    Session,
    wait_until_so_many_wait_for_me,
    wait_until_somebody_waits_for_me,
)
from tests.rails.evm.play import (
    DEPTH,
    GWEI,
    LANE,
    Mirror,
    calm,
    hashes_of,
    look,
    payments,
    pool,
    prepare,
    rail,
    sent,
    signed_at,
    slot_of,
    spike,
    submit_and_die,
)

pytestmark = pytest.mark.django_db
commits = pytest.mark.django_db(transaction=True)


def submit(*prepared):
    return rail().submit(list(prepared))


def test_killed_between_store_and_send_the_same_bytes_are_sent_later(
    net, one_lane, order, monkeypatch
):
    (prepared,) = prepare(order())
    submit_and_die(monkeypatch, Chain, "send", prepared)
    stored = signed_at(prepared)
    assert (len(stored), pool(net)) == (1, 0)

    submit(prepared)

    assert pool(net) == 1
    assert net.ask("eth_getTransactionByHash", stored[0].hash)["nonce"] == "0x0"
    assert signed_at(prepared) == stored
    net.mine(DEPTH)
    assert look(prepared).outcome is Outcome.FINAL
    assert payments(net) == [(slot_of(prepared).destination.lower(), 9_999_000)]


def test_what_was_signed_and_not_stored_was_not_sent(net, one_lane, order, monkeypatch):
    (prepared,) = prepare(order())
    submit_and_die(monkeypatch, signatures, "store", prepared)

    assert (pool(net), SignedTransaction.objects.count()) == (0, 0)
    assert look(prepared).outcome is Outcome.UNKNOWN


@commits
def test_what_is_sent_is_committed(net, one_lane, order, settings):
    """Whoever hears the bytes finds them in the database, from another session."""
    found = []

    def hear(_, answer):
        found.append(Session(SignedTransaction.objects.count).wait())
        return answer

    with Mirror(net, eth_sendRawTransaction=hear) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        sent(order())

    assert found == [1]


@commits
@pytest.mark.parametrize("gwei", [1, 2])
def test_two_workers_that_sign_one_slot_store_and_send_one_hash(net, one_lane, order, gwei):
    """With the same fees they make the same bytes, with others they make others."""
    (prepared,) = prepare(order())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LANE, [one_lane.pk])
        first = Session(lambda: submit(prepared))
        wait_until_so_many_wait_for_me(1)
        spike(net, gwei)
        second = Session(lambda: submit(prepared))
        wait_until_so_many_wait_for_me(2)
    receipts = [*first.wait(), *second.wait()]

    assert [receipt.accepted for receipt in receipts] == [True, True]
    assert (len(hashes_of(prepared)), pool(net)) == (1, 1)
    calm(net)
    net.mine(DEPTH)
    assert look(prepared).reference == hashes_of(prepared)[0]
    assert len(payments(net)) == 1


def test_a_frozen_wallet_signs_nothing(net, one_lane, order, monkeypatch):
    (prepared,) = prepare(order())
    freeze_wallets([one_lane.pk], why="tests")
    monkeypatch.setattr(KeystoreSigner, "sign", lambda *_: pytest.fail("it was asked to sign"))

    (receipt,) = submit(prepared)

    assert (receipt.accepted, receipt.evidence) == (None, {"said": "the wallet is frozen"})
    assert (pool(net), hashes_of(prepared)) == (0, [])


def test_a_frozen_wallet_sends_nothing_that_was_signed_before(
    net, one_lane, order, monkeypatch
):
    (prepared,) = prepare(order())
    submit_and_die(monkeypatch, Chain, "send", prepared)
    freeze_wallets([one_lane.pk], why="tests")

    submit(prepared)

    assert (pool(net), len(hashes_of(prepared))) == (0, 1)


@commits
def test_frozen_between_the_signature_and_the_store_nothing_is_kept_or_sent(
    net, one_lane, order
):
    (prepared,) = prepare(order())
    with transaction.atomic():
        freeze_wallets([one_lane.pk], why="tests")
        signing_now = Session(lambda: submit(prepared))
        wait_until_somebody_waits_for_me()
    (receipt,) = signing_now.wait()

    assert receipt.evidence == {"said": "the wallet is frozen"}
    assert (pool(net), SignedTransaction.objects.count()) == (0, 0)


@commits
def test_a_frozen_wallet_does_not_stop_its_neighbour(net, order):
    HotWallet.objects.update(in_flight_max=1)
    first, second = prepare(order(), order())
    frozen = HotWallet.objects.get(address=first.reference.split(":")[1])
    with transaction.atomic():
        freeze_wallets([frozen.pk], why="tests")
        signing_now = Session(lambda: submit(first, second))
        wait_until_somebody_waits_for_me()
    signing_now.wait()

    assert (hashes_of(first), len(hashes_of(second)), pool(net)) == ([], 1, 1)


def test_a_key_of_another_wallet_signs_nothing(net, order):
    """Its bytes would pay from an address whose nonces nobody counts."""
    first, second = HotWallet.objects.order_by("pk")
    HotWallet.objects.filter(pk=second.pk).update(is_enabled=False, key_name="elsewhere")
    HotWallet.objects.filter(pk=first.pk).update(key_name=second.key_name)
    (prepared,) = prepare(order())

    (receipt,) = submit(prepared)

    assert receipt.accepted is None
    assert f"is that of {second.address}, not of {first.address}" in receipt.evidence["said"]
    assert (pool(net), hashes_of(prepared)) == (0, [])


def test_a_lost_key_stops_its_own_wallet_and_no_other(net, order, settings):
    """Whichever of the two comes first."""
    HotWallet.objects.update(in_flight_max=1)
    prepared = prepare(order(), order())
    lost = slot_of(prepared[0]).wallet
    (settings.KEYSTORE_DIR / f"{lost.key_name}.json").unlink()
    forget_signers()

    for batch in (prepared, prepared[::-1]):
        said = {one.reference: one for one in submit(*batch)}
        assert said[prepared[0].reference].accepted is None
        assert lost.key_name in said[prepared[0].reference].evidence["said"]
        assert said[prepared[1].reference].accepted is True

    assert [len(hashes_of(one)) for one in prepared] == [0, 1]


def test_a_signer_that_hangs_is_not_waited_for_once_for_each_key(
    net, order, settings, monkeypatch
):
    HotWallet.objects.update(in_flight_max=1)
    prepared = prepare(order(), order())
    asked, clock = [], count(0, 2 * settings.RPC_TIMEOUT_SECONDS)

    def away(_, requests):
        asked.append(len(requests))
        raise SigningUnavailable("The signer is away.")

    with monkeypatch.context() as broken:
        broken.setattr(KeystoreSigner, "sign", away)
        broken.setattr(signatures, "monotonic", lambda: next(clock))
        receipts = submit(*prepared)

    assert asked == [2]
    assert [one.evidence for one in receipts] == [{"said": "The signer is away."}] * 2


def test_while_the_signer_is_away_what_is_signed_is_sent_all_the_same(
    net, one_lane, order, monkeypatch
):
    (first,) = prepare(order())
    submit_and_die(monkeypatch, Chain, "send", first)
    (second,) = prepare(order())

    def away(*_):
        raise SigningUnavailable("The signer is away.")

    with monkeypatch.context() as broken:
        broken.setattr(KeystoreSigner, "sign", away)
        receipts = submit(first, second)

    assert [receipt.accepted for receipt in receipts] == [True, None]
    assert receipts[1].evidence == {"said": "The signer is away."}
    assert pool(net) == 1
    assert submit(second)[0].accepted is True


def test_above_our_ceiling_nothing_is_signed_until_the_chain_is_cheaper(
    net, one_lane, order, settings
):
    settings.EVM_FEE_CEILING_WEI = 40 * GWEI
    (prepared,) = prepare(order())
    spike(net, 60)

    (receipt,) = submit(prepared)

    assert (receipt.accepted, hashes_of(prepared), pool(net)) == (None, [], 0)
    assert receipt.evidence == {"said": "gas is above our ceiling"}

    spike(net, 1)
    assert submit(prepared)[0].accepted is True


@pytest.mark.parametrize(
    ("said", "tip"), [(0, 10**6), (3 * GWEI, 3 * GWEI), (400 * GWEI, 20 * GWEI)]
)
def test_no_node_makes_us_tip_more_or_less_than_is_sane(
    net, one_lane, order, settings, said, tip
):
    with Mirror(net, eth_maxPriorityFeePerGas=lambda *_: hex(said)) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        prepared = sent(order())

    assert [one.tip_wei for one in signed_at(prepared)] == [tip]


@pytest.mark.parametrize("block", [None, {}, {"baseFeePerGas": None, "timestamp": "0x1"}])
def test_a_node_that_does_not_tell_its_fees_is_waited_for(
    net, one_lane, order, settings, block
):
    (prepared,) = prepare(order())
    with Mirror(net, eth_getBlockByNumber=lambda *_: block) as mirror:
        settings.RPC_URLS = {"ethereum": (mirror.url,)}
        with pytest.raises(RailUnavailable, match="does not tell its fees"):
            submit(prepared)

    assert hashes_of(prepared) == []


def test_keys_are_never_in_the_database_or_the_evidence(net, one_lane, order):
    prepared = sent(order())
    key = signing.signer()._account(one_lane.key_name).key.hex()

    assert key not in repr(signed_at(prepared)) + repr(slot_of(prepared).__dict__)
    assert key not in bytes(signed_at(prepared)[0].raw).hex()


def test_a_process_that_begins_anew_signs_with_the_same_keys(net, one_lane, order):
    sent(order())
    forget_signers()
    forget_chains()

    sent(order())

    assert pool(net) == 2
