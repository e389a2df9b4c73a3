"""A backup restored after payouts over a real chain: the chain is asked, and paid once."""

import json
import os
from collections import Counter
from contextlib import suppress
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from engine.ledger.checks import check, listed_invariants
from engine.payouts import journal, sending
from engine.payouts.models import Fence, Payout
from engine.rails.base import rail_named
from engine.rails.evm.erc20 import TRANSFER_TOPIC, topic_of, transfer_calldata
from engine.rails.evm.rpc import forget_chains
from engine.rails.models import HotWallet, SignedTransaction, Slot
from engine.rails.networks import NETWORKS
from engine.rails.signing import SigningRequest, signer
from tests.cast import EVM, EVM_2, drain_once, units_held
from tests.restoring import Backup

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PAYOUTS = 100
DEPTH = 5
FEES = {"maxFeePerGas": 90 * 10**9, "maxPriorityFeePerGas": 3 * 10**9}


@pytest.fixture
def house(net, live_api, settings):
    """A house on a chain of its own, with two people on the staff."""
    settings.LOOK_UP_SECONDS = 0
    for name in ("alice", "bob"):
        User.objects.create_user(name, is_staff=True)
    # What the wallets were given is final.
    net.mine(DEPTH)
    net.watch()
    return net


@pytest.fixture
def pay(house, live_api):
    """Execute so many payouts of 5 USDT, and let them become final."""

    def run(number, *, blocks=DEPTH, **terms):
        made = [live_api.pay(amount="5", **terms) for _ in range(number)]
        drain_once()
        if blocks:
            house.mine(blocks)
            drain_once()
            house.watch()
        return made

    return run


def transfers(net):
    """Who was paid on the chain, and how often, by any of our wallets."""
    wallets = HotWallet.objects.filter(network=net.network).values_list("address", flat=True)
    logs = net.ask(
        "eth_getLogs",
        {
            "fromBlock": "0x0",
            "toBlock": "latest",
            "topics": [TRANSFER_TOPIC, [topic_of(address) for address in wallets]],
        },
    )
    return Counter("0x" + log["topics"][2][-40:] for log in logs)


def nonces(net):
    wallets = HotWallet.objects.filter(network=net.network).order_by("pk")
    return [
        int(net.ask("eth_getTransactionCount", wallet.address, "pending"), 16)
        for wallet in wallets
    ]


def restored(backup):
    backup.restore()
    forget_chains()


def reconcile():
    told = StringIO()
    with suppress(SystemExit):
        call_command("reconcile", "--json", stdout=told)
    return json.loads(told.getvalue())


def delivered():
    return Payout.objects.filter(status="delivered").count()


def test_a_hundred_payouts_made_after_the_dump_are_not_made_again(
    house, pay, funded, live_api, tmp_path
):
    pay(1)
    backup = Backup(tmp_path / "dump")
    pay(PAYOUTS)
    assert delivered() == PAYOUTS + 1
    paid, counts = transfers(house), nonces(house)
    left = units_held(funded, livemode=True)
    assert (paid[EVM.lower()], sum(counts)) == (PAYOUTS + 1, PAYOUTS + 1)

    restored(backup)
    drain_once()
    house.mine(2)
    drain_once()

    assert (delivered(), transfers(house), nonces(house)) == (1, paid, counts)
    refused = live_api.post("/payouts", {"quote_id": live_api.quote(amount="5")})
    assert (refused.status_code, refused.json()["code"]) == (503, "payouts_frozen")
    assert live_api.get("/payouts").status_code == 200

    told = reconcile()
    assert (told["matched"], told["recreated"], told["seen_outside"]) == (PAYOUTS,) * 3
    assert (told["clean"], told["frozen"]) == (True, True)
    drain_once()
    assert delivered() == PAYOUTS + 1
    assert units_held(funded, livemode=True) == left
    assert check(listed_invariants()).clean

    call_command("unfreeze", by="alice", second="bob")
    house.watch()
    drain_once()
    house.mine(DEPTH)
    drain_once()
    assert (transfers(house), nonces(house)) == (paid, counts)
    pay(1, destination=EVM_2)
    assert transfers(house) == paid + Counter({EVM_2.lower(): 1})
    assert delivered() == PAYOUTS + 2
    assert sum(nonces(house)) == sum(counts) + 1
    told = reconcile()
    assert (told["clean"], told["matched"], told["compared"] > 0) == (True, 0, True)


def test_what_waits_in_a_node_is_taken_as_ours(house, pay, tmp_path):
    backup = Backup(tmp_path / "dump")
    pay(3, blocks=0)
    hashes = set(SignedTransaction.objects.values_list("hash", flat=True))

    restored(backup)
    assert reconcile()["matched"] == 3

    assert set(SignedTransaction.objects.values_list("hash", flat=True)) == hashes
    house.mine(DEPTH)
    drain_once()
    assert (delivered(), sum(transfers(house).values())) == (3, 3)


def test_what_no_node_remembers_is_signed_again_at_its_own_nonce(house, pay, tmp_path):
    backup = Backup(tmp_path / "dump")
    pay(3, blocks=0)
    house.ask("anvil_dropAllTransactions")

    restored(backup)
    told = reconcile()
    assert (told["matched"], told["seen_outside"], told["clean"]) == (3, 0, True)
    drain_once()
    assert SignedTransaction.objects.exists() is False
    call_command("unfreeze", by="alice", second="bob")
    house.watch()
    drain_once()
    house.mine(DEPTH)
    drain_once()

    assert (delivered(), sum(transfers(house).values()), sum(nonces(house))) == (3, 3, 3)


def test_a_fee_bump_that_the_backup_does_not_know_settles_its_payout(house, pay, tmp_path):
    """The dump has the first signature; the chain has mined the second."""
    pay(1, blocks=0)
    backup = Backup(tmp_path / "dump")
    house.mine()
    house.ask("anvil_reorg", 1, [])
    restored(backup)
    first = SignedTransaction.objects.get()
    slot = first.slot
    house.ask("anvil_dropAllTransactions")
    # What the lost worker had signed after the dump: the same with a higher fee.
    data = "0x" + bytes(slot.calldata).hex()
    terms = {"to": slot.to_address, "value": 0, "data": data, "gas": slot.gas_limit}
    _send(house, slot.wallet, slot.nonce, **terms, **FEES)
    house.mine()

    told = reconcile()
    house.mine(DEPTH)
    drain_once()

    assert told["breaks"] == []
    assert (slot.signed.count(), delivered()) == (2, 1)


def test_a_send_that_nobody_knows_is_a_stranger_and_keeps_the_house_frozen(
    house, pay, tmp_path, settings
):
    pay(1)
    backup = Backup(tmp_path / "dump")
    wallet = HotWallet.objects.earliest("pk")
    pay(2)
    restored(backup)
    drain_once()
    # The journal of the last two went up in flames as well.
    for file in settings.JOURNAL_DIR.glob("*/*.jsonl"):
        file.write_text(file.read_text().splitlines(keepends=True)[0])

    told = reconcile()

    strangers = [one for one in told["breaks"] if one["kind"] == "stranger"]
    assert len(strangers) == 2
    assert {one["detail"]["sent"]["to"] for one in strangers} == {house.token().lower()}
    assert reconcile()["clean"] is False
    with pytest.raises(Exception, match="breaks are open"):
        call_command("unfreeze", by="alice", second="bob")

    for one in strangers:
        call_command("resolve_break", str(one["id"]), "--by", "alice", "--because", "tested")
    assert reconcile()["clean"] is True
    call_command("unfreeze", by="alice", second="bob")
    assert sum(HotWallet.objects.values_list("next_nonce", flat=True)) == 3
    house.watch()
    pay(1, destination=EVM_2)
    assert transfers(house)[EVM_2.lower()] == 1
    assert wallet.frozen_at is None


def test_what_says_something_else_at_our_nonce_is_not_taken_as_ours(house, pay, tmp_path):
    """The journal has a payout there, and the chain somebody else's send."""
    backup = Backup(tmp_path / "dump")
    pay(1, blocks=0)
    wallet = Slot.objects.get().wallet
    house.ask("anvil_dropAllTransactions")
    data = "0x" + transfer_calldata(to=EVM_2, units=5_000_000).hex()
    _send(house, wallet, 0, to=house.token(), value=0, data=data, gas=90_000, **FEES)
    house.mine(DEPTH)
    restored(backup)

    told = reconcile()

    assert [one["kind"] for one in told["breaks"]] == ["stranger"]
    assert told["breaks"][0]["detail"]["why"] == "says something else"
    assert (SignedTransaction.objects.count(), delivered()) == (0, 0)


def test_a_slot_that_was_given_away_since_is_a_break(house, pay, live_api, tmp_path):
    """Somebody sent before the fence could go up: the nonce stands for two payouts."""
    backup = Backup(tmp_path / "dump")
    pay(1)
    restored(backup)
    live_api.pay(amount="7")
    sending.prepare_due(list(Payout.objects.values_list("pk", flat=True)))
    assert Slot.objects.count() == 1

    drain_once()
    told = reconcile()

    assert Fence.objects.filter(is_up=True).exists()
    assert {one["kind"] for one in told["breaks"]} == {"cannot_recall", "stranger"}
    assert sum(transfers(house).values()) == 1


def test_terms_say_all_that_recall_needs_and_nothing_secret(house, pay):
    pay(1, blocks=0)
    slot = Slot.objects.get()
    prepared = sending.live_attempts([Payout.objects.get().pk])[0].prepared

    [terms] = rail_named("evm").statement.terms_of([prepared])

    assert set(terms) == {
        "wallet", "nonce", "kind", "asset", "units", "destination", "to_address",
        "value_wei", "calldata", "gas_limit",
    }  # fmt: skip
    assert terms["calldata"] == bytes(slot.calldata).hex()
    assert SignedTransaction.objects.get().raw.hex() not in json.dumps(terms)


def test_without_any_journal_the_chain_itself_keeps_the_house_from_sending(
    house, pay, live_api, tmp_path, settings
):
    """The machine is gone, and the backup is from before the first payout."""
    backup = Backup(tmp_path / "dump")
    pay(3)
    paid = transfers(house)
    restored(backup)
    settings.JOURNAL_DIR = tmp_path / "a new disk"
    live_api.pay(amount="5")

    drain_once()

    assert Fence.objects.get().why.startswith("ethereum has taken")
    house.mine(DEPTH)
    drain_once()
    assert (transfers(house), SignedTransaction.objects.exists()) == (paid, False)


def test_a_worker_that_was_idle_since_the_backup_pays_nobody_again(
    house, pay, live_api, tmp_path
):
    """She was never stopped, and her own journal is where the older database knows it."""
    pay(1)
    idle = journal._writers.pop(os.getpid())
    pay(1)
    busy = journal.writer()
    live_api.pay(amount="6")
    backup = Backup(tmp_path / "dump")
    drain_once()
    house.mine(DEPTH)
    drain_once()
    paid = transfers(house)
    assert (busy.id != idle.id, sum(paid.values())) == (True, 3)

    restored(backup)
    journal._writers[os.getpid()] = idle
    house.watch()
    drain_once()
    house.mine(DEPTH)
    drain_once()

    assert Fence.objects.get().why.startswith(f"Journal {busy.id} has counted to 2")
    assert transfers(house) == paid


def test_nothing_is_sent_while_no_chain_says_whether_it_is_ahead(house, live_api, settings):
    live_api.pay(amount="5")
    sending.prepare_due([Payout.objects.get().pk])
    settings.RPC_URLS = {"ethereum": ("http://127.0.0.1:9",)}
    forget_chains()

    drain_once()

    assert sending.live_attempts([Payout.objects.get().pk])[0].is_due_to_submit is True
    assert not settings.JOURNAL_DIR.exists()


@pytest.mark.parametrize("wait", [True, False])
def test_gas_and_sweeps_of_before_the_restore_stay_the_houses_own(house, pay, tmp_path, wait):
    """They are in no journal; they went to ourselves, and that is what the chain shows."""
    payer, receiver = HotWallet.objects.order_by("pk")
    backup = Backup(tmp_path / "dump")
    _send(house, payer, 0, to=receiver.address, value=10**18, data="0x", gas=21_000, **FEES)
    data = "0x" + transfer_calldata(to=receiver.address, units=7_000_000).hex()
    _send(house, payer, 1, to=house.token(), value=0, data=data, gas=90_000, **FEES)
    house.mine(DEPTH if wait else 1)
    restored(backup)

    told = reconcile()

    assert told["breaks"] == []
    rows = Slot.objects.order_by("nonce").values_list("kind", "units", "destination")
    assert list(rows) == [
        ("gas", 10**18, receiver.address),
        ("consolidation", 7_000_000, receiver.address),
    ]
    payer.refresh_from_db()
    assert payer.next_nonce == 2
    assert SignedTransaction.objects.count() == 2


def _send(house, wallet, nonce, **fields):
    chain = {"chainId": NETWORKS[house.network].chain_id, "nonce": nonce}
    [signed] = signer().sign([SigningRequest(wallet.key_name, chain | fields)])
    house.ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
