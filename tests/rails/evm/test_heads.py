"""A chain's head: its fees, how fast it is, and an anchor that nothing may move back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from engine.rails.depths import forget_depths
from engine.rails.errors import RailUnavailable
from engine.rails.evm import heads
from engine.rails.evm.heads import GWEI, watch_head
from engine.rails.heads import fresh_head, transfers_left
from engine.rails.models import ChainHead, DepthPolicy, HotWallet
from tests.rails.evm.connected import connecting, history

pytestmark = pytest.mark.django_db
OURS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OURS_2 = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"


@pytest.fixture(autouse=True)
def shallow():
    depth(5)


def depth(confirmations, network="ethereum"):
    DepthPolicy.objects.filter(network=network).delete()
    DepthPolicy.objects.create(network=network, confirmations=confirmations)
    forget_depths()


@pytest.fixture
def connect(settings):
    with connecting(settings) as start:
        yield start


@pytest.fixture
def node(connect):
    return connect()[0]


@pytest.fixture
def wallets(db):
    return [
        HotWallet.objects.create(network=network, address=address, key_name=name)
        for network, address, name in (
            ("ethereum", OURS, "one"), ("ethereum", OURS_2, "two"), ("polygon", OURS, "one"),
        )
    ]  # fmt: skip


def frozen():
    return list(
        HotWallet.objects.exclude(frozen_at=None)
        .values_list("network", "address")
        .order_by("pk")
    )


def test_the_head_is_kept_with_what_the_next_block_costs(node):
    before = timezone.now()

    head = watch_head("ethereum")

    assert head == ChainHead.objects.get()
    assert (head.number, head.hash) == (100, node.hash_of(100))
    assert (head.base_fee_wei, head.tip_wei) == (2 * 10**9, 10**9)
    assert (head.final_number, head.final_hash) == (96, node.hash_of(96))
    assert before <= head.seen_at <= timezone.now()
    assert node.asked == ["eth_getBlockByNumber", "eth_feeHistory", "eth_getBlockByNumber"]


def test_a_round_in_which_nothing_happened_asks_once(node):
    watch_head("ethereum")
    node.calls.clear()

    head = watch_head("ethereum")

    assert node.asked == ["eth_getBlockByNumber", "eth_feeHistory"]
    assert head.number == 100


@pytest.mark.parametrize(
    ("network", "chain_id", "told", "expected"),
    [
        ("ethereum", 1, history(tips=(1, 9, 3), used=(1, 1, 1)), 10**6),
        ("ethereum", 1, history(tips=(10**8, 3 * 10**8, 2 * 10**8)), 2 * 10**8),
        # Empty blocks paid nobody, and say nothing.
        ("ethereum", 1, history(tips=(0, 0, 7 * 10**8), used=(0, 0, 0.1)), 7 * 10**8),
        ("ethereum", 1, history(tips=(0, 0, 0), used=(0, 0, 0)), 10**6),
        ("ethereum", 1, history(tips=(10**15,) * 3), 20 * GWEI),
        ("polygon", 137, history(tips=(10**9,) * 3), 30 * GWEI),
        ("polygon", 137, history(tips=(10**15,) * 3), 500 * GWEI),
        ("ethereum", 1, {"baseFeePerGas": ["0x5"], "gasUsedRatio": []}, 10**6),
    ],
)
def test_the_tip_is_the_usual_one_within_sane_bounds(
    connect, network, chain_id, told, expected
):
    (node,) = connect(network=network, chain_id=chain_id)
    node.answers["eth_feeHistory"] = told

    assert watch_head(network).tip_wei == expected


def test_a_node_without_a_fee_history_gives_its_blocks_base_fee(node):
    del node.answers["eth_feeHistory"]

    head = watch_head("ethereum")

    assert (head.base_fee_wei, head.tip_wei) == (10**9, 10**6)


@pytest.mark.parametrize("block", [None, {}, {"number": "0x5"}, {"number": None}, "latest", 7])
def test_a_node_that_does_not_tell_its_head_changes_nothing(node, block):
    watch_head("ethereum")
    before = ChainHead.objects.values().get()
    node.answers["eth_getBlockByNumber"] = block

    with pytest.raises(RailUnavailable, match="does not tell its head"):
        watch_head("ethereum")

    assert ChainHead.objects.values().get() == before


def test_the_anchor_follows_the_head_at_the_smallest_depth_in_use(node):
    DepthPolicy.objects.create(network="ethereum", units_min=10**9, confirmations=60)
    DepthPolicy.objects.create(network="ethereum", asset="XAUT", confirmations=3)
    forget_depths()
    watch_head("ethereum")
    node.blocks = 110

    assert watch_head("ethereum").final_number == 108


def test_a_young_chain_has_no_anchor_yet(connect):
    (node,) = connect(blocks=3)

    head = watch_head("ethereum")

    assert (head.number, head.final_number, head.final_hash) == (3, 0, "")
    node.blocks = 4
    assert watch_head("ethereum").final_hash == node.hash_of(0)


def test_more_depth_or_a_shallow_reorganisation_never_moves_the_anchor_back(node, wallets):
    watch_head("ethereum")
    depth(50)
    node.blocks = 101
    assert watch_head("ethereum").final_number == 96
    node.fork_at = 97
    node.blocks = 102

    head = watch_head("ethereum")

    assert (head.number, head.hash, head.final_number) == (102, node.hash_of(102), 96)
    assert frozen() == []


def test_a_reorganisation_deeper_than_the_policy_freezes_every_wallet_there(
    node, wallets, caplog, settings, mailoutbox, django_capture_on_commit_callbacks
):
    settings.OPERATORS_EMAIL = "operators@zopay.test"
    watch_head("ethereum")
    lost = node.hash_of(96)
    node.fork_at = 96
    node.blocks = 101

    with django_capture_on_commit_callbacks(execute=True):
        head = watch_head("ethereum")

    assert [mail.subject for mail in mailoutbox] == ["Zopay froze 2 wallets"]
    assert "ethereum reorganised deeper than the policy at block 96." in mailoutbox[0].body

    assert frozen() == [("ethereum", OURS), ("ethereum", OURS_2)]
    assert set(
        HotWallet.objects.exclude(frozen_at=None).values_list("frozen_why", flat=True)
    ) == {"ethereum reorganised deeper than the policy at block 96"}
    assert "chain_reorganised_deeper_than_the_policy" in caplog.text
    assert lost in caplog.text
    # It is anchored anew, so that people who have looked can go on.
    assert (head.final_number, head.final_hash) == (96, node.hash_of(96))
    HotWallet.objects.update(frozen_at=None, frozen_why="")
    node.blocks = 110
    assert watch_head("ethereum").final_number == 106
    assert frozen() == []


def test_one_node_alone_cannot_say_that_the_chain_was_reorganised(connect, wallets):
    first, second, third = connect(3)
    watch_head("ethereum")
    first.fork_at = 90
    for one in (first, second, third):
        one.blocks = 101

    head = watch_head("ethereum")

    assert frozen() == []
    assert (head.final_number, head.final_hash) == (97, second.hash_of(97))


def test_enough_nodes_can_even_against_one_that_has_not_heard(connect, wallets):
    first, second, third = connect(3)
    watch_head("ethereum")
    for one in (second, third):
        one.hash_of = lambda number: f"0x{number:064x}"
    for one in (first, second, third):
        one.blocks = 101

    head = watch_head("ethereum")

    assert len(frozen()) == 2
    assert (head.final_number, head.final_hash) == (96, f"0x{96:064x}")


def test_nodes_that_disagree_about_a_block_make_no_anchor_of_it(connect):
    first, second = connect(2)
    watch_head("ethereum")
    second.fork_at = 97
    first.blocks = second.blocks = 105

    head = watch_head("ethereum")

    assert (head.number, head.final_number) == (105, 96)


def test_two_camps_of_nodes_make_no_anchor_however_large_both_are(connect, settings):
    settings.RPC_QUORUM = 2
    nodes = connect(4)
    watch_head("ethereum")
    for one in nodes[2:]:
        one.hash_of = lambda number: (
            f"0x{number:064x}" if number > 96 else nodes[0].hash_of(number)
        )
    for one in nodes:
        one.blocks = 105

    assert watch_head("ethereum").final_number == 96


def test_an_anchor_that_somebody_moved_meanwhile_is_left_to_them(node, wallets, monkeypatch):
    watch_head("ethereum")
    node.fork_at = 96
    node.blocks = 101
    real = heads._read_anchors

    def read_slowly(*about):
        seen = real(*about)
        ChainHead.objects.update(final_number=98, final_hash="0x98")
        return seen

    monkeypatch.setattr(heads, "_read_anchors", read_slowly)

    head = watch_head("ethereum")

    # The next look holds the new one against the chain.
    assert (head.number, head.final_number, head.final_hash) == (101, 98, "0x98")
    assert frozen() == []


def test_without_enough_nodes_the_head_is_kept_and_the_anchor_stays(connect):
    first, second = connect(2)
    watch_head("ethereum")
    second.fault = 500
    first.blocks = second.blocks = 105

    head = watch_head("ethereum")

    assert (head.number, head.final_number) == (105, 96)


def test_a_chain_that_is_behind_its_anchor_proves_nothing(node, wallets, caplog):
    watch_head("ethereum")
    before = ChainHead.objects.values().get()
    node.blocks = 95

    assert watch_head("ethereum") is None

    assert ChainHead.objects.values().get() == before
    assert "chain_behind" in caplog.text
    assert frozen() == []


def test_one_node_that_is_behind_does_not_hide_the_others(connect):
    first, second = connect(2)
    watch_head("ethereum")
    first.blocks, second.blocks = 90, 103

    head = watch_head("ethereum")

    # Two must agree on an anchor, and one of them has not got that far.
    assert (head.number, head.final_number) == (103, 96)


def test_a_later_look_is_not_written_over(node):
    watch_head("ethereum")
    later = timezone.now() + timedelta(seconds=30)
    ChainHead.objects.update(seen_at=later, number=500, base_fee_wei=7)
    node.blocks = 101

    head = watch_head("ethereum")

    assert (head.number, head.base_fee_wei, head.seen_at) == (500, 7, later)


def test_a_head_is_fresh_for_a_minute(node):
    watch_head("ethereum")
    assert fresh_head("ethereum") == ChainHead.objects.get()

    ChainHead.objects.update(seen_at=timezone.now() - timedelta(seconds=61))

    assert fresh_head("ethereum") is None


def test_what_gas_is_left_for(node):
    head = watch_head("ethereum")

    assert transfers_left(65_000 * 3 * 10**9 * 7 + 1, head) == 7
    assert transfers_left(10**18, None) is None
    head.base_fee_wei = head.tip_wei = 0
    assert transfers_left(10**18, head) is None
