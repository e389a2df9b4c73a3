"""Staff see what wallets hold and what was signed; one stops a wallet, two start it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.rails.depths import depth_needed, forget_depths
from engine.rails.models import (
    ChainHead,
    DepthPolicy,
    HotWallet,
    SignedTransaction,
    Slot,
    Token,
    WalletAsset,
)

pytestmark = pytest.mark.django_db
OURS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
THEIRS = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
HASH = "0x" + "ab" * 32
SECRET = bytes.fromhex("02f8b001deadbeefdeadbeef")
MODELS = [ChainHead, Token, DepthPolicy, HotWallet, Slot, SignedTransaction]


@pytest.fixture
def wallet():
    wallet = HotWallet.objects.create(
        network="ethereum",
        address=OURS,
        key_name="hot-1",
        next_nonce=8,
        gas_wei=10**18,
        gas_alarm_wei=2 * 10**18,
    )
    WalletAsset.objects.create(
        wallet=wallet, asset="USDT", balance_units=1_234_500_000, balance_block=100
    )
    ChainHead.objects.create(
        network="ethereum",
        number=100,
        hash="0x" + "1" * 64,
        base_fee_wei=9 * 10**9,
        tip_wei=1_500_000_000,
        seen_at=timezone.now(),
    )
    return wallet


@pytest.fixture
def slot(wallet):
    slot = Slot.objects.create(
        wallet=wallet,
        nonce=7,
        kind="payout",
        asset="USDT",
        units=98_450_000,
        destination=THEIRS,
        to_address="0xdAC17F958D2ee523a2206206994597C13D831ec7",
        gas_limit=80_000,
    )
    SignedTransaction.objects.create(
        slot=slot, number=1, kind="transfer", hash=HASH, raw=SECRET, max_fee_wei=30 * 10**9,
        tip_wei=10**9,
    )  # fmt: skip
    return slot


def person(name, *permissions, **options):
    user = User.objects.create_user(name, password="x", is_staff=True, **options)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def viewer():
    return logged_in(
        person("vera", *(f"view_{model._meta.model_name}" for model in (*MODELS, WalletAsset)))
    )


@pytest.fixture
def two():
    """Two people who may change wallets, each at a browser of her own."""
    names = ("ada", "bo")
    may = ("view_hotwallet", "change_hotwallet", "view_slot")
    return [logged_in(person(name, *may)) for name in names]


def logged_in(user):
    client = Client()
    client.force_login(user)
    return client


def page(row, name="change"):
    return reverse(f"admin:{row._meta.db_table}_{name}", args=[row.pk])


def act(client, row, name, **body):
    return client.post(page(row, name), body)


def text(client, address, **query):
    answer = client.get(address, query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_staff_can_look_at_every_list_and_page(viewer, slot, model):
    Token.objects.get_or_create(network="ethereum", asset="USDT")

    assert viewer.get(reverse(f"admin:{model._meta.db_table}_changelist")).status_code == 200
    assert viewer.get(page(model.objects.first())).status_code == 200


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("verb", ["change", "delete"])
def test_who_may_only_look_changes_nothing(viewer, slot, model, verb):
    before = list(model.objects.values())

    assert act(viewer, model.objects.first(), verb).status_code == 403

    assert list(model.objects.values()) == before


@pytest.mark.parametrize("model", [ChainHead, Slot, SignedTransaction])
@pytest.mark.parametrize("verb", ["change", "delete"])
def test_what_happened_is_changed_by_nobody(admin_client, slot, model, verb):
    assert act(admin_client, model.objects.first(), verb).status_code == 403


def test_a_wallet_shows_all_that_decides_whether_it_can_pay(viewer, slot):
    shown = text(viewer, page(slot.wallet))

    for expected in (
        OURS,
        f"https://etherscan.io/address/{OURS}",
        "1234.5 USDT",
        "1 ETH · low · about 1,465 transfers",
        "1 of 64",
        "signs",
    ):
        assert expected in shown


def test_the_list_counts_what_is_under_way(viewer, slot):
    listed = text(viewer, reverse("admin:rails_hotwallet_changelist"))

    assert OURS in listed
    assert "1 of 64" in listed
    Slot.objects.update(closed_at=timezone.now())
    assert "0 of 64" in text(viewer, reverse("admin:rails_hotwallet_changelist"))


@pytest.mark.parametrize(
    ("model", "term"),
    [
        (HotWallet, OURS.lower()), (HotWallet, "hot-1"), (Slot, HASH), (Slot, THEIRS),
        (Slot, OURS), (SignedTransaction, HASH),
    ],
)  # fmt: skip
def test_things_are_found_by_what_people_have_of_them(viewer, slot, model, term):
    row = model.objects.get()
    address = reverse(f"admin:{model._meta.db_table}_changelist")

    assert page(row) in text(viewer, address, q=term)
    assert page(row) not in text(viewer, address, q=term[:-1] + "9z")


def test_signed_bytes_are_on_no_page(viewer, slot):
    for row in (slot, slot.wallet, slot.signed.get()):
        shown = text(viewer, page(row)) + text(
            viewer, reverse(f"admin:{row._meta.db_table}_changelist")
        )
        assert SECRET.hex() not in shown
        assert "deadbeef" not in shown
    shown = text(viewer, page(slot))
    assert f"https://etherscan.io/tx/{HASH}" in shown
    assert "98.45 USDT" in shown
    assert "30 gwei" in shown


def test_a_local_chain_s_hash_leads_to_our_own_page(viewer, slot, settings):
    settings.DEVNET_NETWORKS, settings.ZOPAY_DEMO = ["ethereum"], True
    settings.RPC_URLS = {"ethereum": ("http://127.0.0.1:1",)}

    assert f"/devnet/ethereum/tx/{HASH}" in text(viewer, page(slot))
    assert "etherscan" not in text(viewer, page(slot.wallet))


def test_freezing_asks_first_and_wants_a_reason(two, wallet):
    ada, _ = two
    assert "Sign nothing more" in text(ada, page(wallet, "freeze"))
    assert "Why?" in act(ada, wallet, "freeze").content.decode()
    wallet.refresh_from_db()
    assert wallet.frozen_at is None

    act(ada, wallet, "freeze", reason="the key was seen elsewhere")

    wallet.refresh_from_db()
    assert (wallet.frozen_why, wallet.frozen_at is None) == (
        "the key was seen elsewhere",
        False,
    )
    assert "frozen: the key was seen elsewhere" in text(ada, page(wallet))
    assert list(LogEntry.objects.values_list("change_message", "user__username")) == [
        ("Frozen: the key was seen elsewhere", "ada")
    ]


def freeze(wallet):
    HotWallet.objects.filter(pk=wallet.pk).update(frozen_at=timezone.now(), frozen_why="tested")


def is_frozen(wallet):
    return HotWallet.objects.get(pk=wallet.pk).frozen_at is not None


def test_it_takes_two_people_to_start_a_wallet_again(two, wallet):
    freeze(wallet)
    ada, bo = two

    act(ada, wallet, "unfreeze")
    act(ada, wallet, "unfreeze")
    assert is_frozen(wallet)
    assert "ada would unfreeze it" in text(bo, page(wallet))
    assert "of whom ada has said so" in text(bo, page(wallet, "unfreeze"))

    act(bo, wallet, "unfreeze")
    assert not is_frozen(wallet)
    said = LogEntry.objects.order_by("pk").values_list("change_message", "user__username")
    assert list(said) == [
        ("Asked to unfreeze.", "ada"), ("Unfrozen.", "ada"), ("Unfrozen.", "bo"),
    ]  # fmt: skip


def test_what_was_said_before_it_was_frozen_again_does_not_count(two, wallet):
    ada, bo = two
    freeze(wallet)
    act(ada, wallet, "unfreeze")
    act(bo, wallet, "unfreeze")
    freeze(wallet)

    act(bo, wallet, "unfreeze")

    assert is_frozen(wallet)


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_the_word_of_somebody_who_has_left_does_not_count(two, wallet, change):
    ada, bo = two
    freeze(wallet)
    act(ada, wallet, "unfreeze")
    User.objects.filter(username="ada").update(**change)

    act(bo, wallet, "unfreeze")

    assert is_frozen(wallet)


def test_nor_of_somebody_who_may_not_any_more(two, wallet):
    ada, bo = two
    freeze(wallet)
    act(ada, wallet, "unfreeze")
    User.objects.get(username="ada").user_permissions.clear()

    act(bo, wallet, "unfreeze")

    assert is_frozen(wallet)


@pytest.mark.parametrize("name", ["freeze", "unfreeze"])
def test_who_may_only_look_neither_stops_nor_starts(viewer, wallet, name):
    if name == "unfreeze":
        freeze(wallet)
    before = HotWallet.objects.values().get()

    assert act(viewer, wallet, name, reason="tested").status_code == 403

    assert HotWallet.objects.values().get() == before
    assert LogEntry.objects.count() == 0


def test_who_may_only_look_cancels_nothing(viewer, slot):
    assert act(viewer, slot, "cancel").status_code == 403

    slot.refresh_from_db()
    assert slot.cancel_asked_at is None


def test_cancelling_asks_first(two, slot):
    ada, _ = two
    assert "Burn this nonce?" in text(ada, page(slot, "cancel"))
    slot.refresh_from_db()
    assert slot.cancel_asked_at is None

    act(ada, slot, "cancel")

    slot.refresh_from_db()
    assert slot.cancel_asked_at is not None
    assert LogEntry.objects.get().change_message == "Asked to cancel."


@pytest.mark.parametrize(
    "over", [{"closed_at": "2026-11-01T00:00:00Z"}, {"mined_block": 5, "mined_hash": HASH}]
)
def test_what_is_over_or_in_a_block_is_not_cancelled(two, slot, over):
    Slot.objects.filter(pk=slot.pk).update(**over)
    ada, _ = two

    act(ada, slot, "cancel")

    slot.refresh_from_db()
    assert slot.cancel_asked_at is None
    assert LogEntry.objects.count() == 0


def test_an_operator_sets_ceilings_and_never_a_balance_or_a_nonce(admin_client, wallet):
    asset = wallet.assets.get()
    body = {
        "gas_alarm_wei": 5, "in_flight_max": 32, "is_enabled": "on", "next_nonce": 0,
        "address": THEIRS, "network": "polygon", "gas_wei": 1, "frozen_why": "x",
        "assets-TOTAL_FORMS": 1, "assets-INITIAL_FORMS": 1, "assets-0-id": asset.pk,
        "assets-0-wallet": wallet.pk, "assets-0-ceiling_units": 10**9,
        "assets-0-balance_units": 7,
    }  # fmt: skip

    assert admin_client.post(page(wallet), body).status_code == 302

    asset.refresh_from_db()
    assert (asset.ceiling_units, asset.balance_units) == (10**9, 1_234_500_000)
    now = HotWallet.objects.get()
    assert (now.gas_alarm_wei, now.in_flight_max) == (5, 32)
    assert (now.next_nonce, now.address, now.network) == (8, OURS, "ethereum")
    assert (now.gas_wei, now.frozen_why) == (10**18, "")


@pytest.mark.parametrize("verb", ["add", "delete"])
def test_wallets_are_neither_made_nor_removed_here(admin_client, wallet, verb):
    address = reverse("admin:rails_hotwallet_add") if verb == "add" else page(wallet, "delete")

    assert admin_client.post(address, {}).status_code == 403
    assert HotWallet.objects.count() == 1


def test_an_edited_depth_holds_in_this_process_at_once(admin_client):
    policy = DepthPolicy.objects.get(network="polygon")
    forget_depths()
    assert depth_needed("polygon", "USDT", 1) == 200

    admin_client.post(
        page(policy), {"network": "polygon", "units_min": 0, "confirmations": 250}
    )
    assert depth_needed("polygon", "USDT", 1) == 250

    admin_client.post(page(policy, "delete"), {"post": "yes"})
    assert depth_needed("polygon", "USDT", 1) == 200
