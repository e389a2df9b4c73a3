"""Whoever counts must see every wrong, or a clean run proves nothing."""

import pytest

from zopay_site.chaos.counting import Arrival, balances_off, judge
from zopay_site.chaos.partner import Asked
from zopay_site.chaos.plan import Wish

TO = "0x" + "ab" * 20
HASH = "0x" + "1" * 64


def asked(*, accepted=True):
    wish = Wish(0, "anna", "polygon", "USDT", "10.00", TO)
    payout = {
        "id": "pay_1",
        "quote": {
            "user_sends": "10.00",
            "recipient_gets": "9.50",
            "route": {"from_network": "ethereum", "to_network": "polygon"},
        },
    }
    return Asked(wish, payout if accepted else None, tries=1)


def told(status, *, tx_hash=HASH):
    steps = [{"status": "pending"}, {"status": "broadcast", "tx_hash": HASH}]
    return {"pay_1": {"status": status, "timeline": [*steps, {"tx_hash": tx_hash}]}}


def came(*units, network="polygon"):
    return {TO: [Arrival(network, each, 7, HASH) for each in units]}


def wrongs(total):
    return {name for name in total.WRONGS if getattr(total, name)}


def test_what_was_promised_said_and_paid_is_right():
    total = judge([asked()], told("delivered"), came(9_500_000), came(9_500_000))

    assert total.is_right
    assert (total.payouts, total.transfers, total.delivered) == (1, 1, 1)


@pytest.mark.parametrize(
    ("status", "there", "later", "wrong"),
    [
        ("delivered", came(), came(), {"lost"}),
        ("delivered", came(9_499_999), came(9_499_999), {"lost"}),
        # What only comes because somebody offered it again was not there when it was said.
        ("delivered", came(), came(9_500_000), {"lost"}),
        ("delivered", came(9_500_000), came(9_500_000, 9_500_000), {"twice"}),
        ("delivered", came(9_500_001), came(9_500_001), {"twice"}),
        ("broadcast", came(9_500_000), came(9_500_000), {"lost"}),
        ("pending", came(), came(), {"lost"}),
        ("failed", came(9_500_000), came(9_500_000), {"lied"}),
        ("failed", came(), came(9_500_000), {"lied"}),
        ("delivered", came(9_500_000, network="ethereum"), None, {"astray"}),
    ],
)
def test_every_wrong_has_its_name(status, there, later, wrong):
    total = judge([asked()], told(status), there, there if later is None else later)

    assert wrongs(total) == wrong
    assert not total.is_right


def test_a_failed_payout_of_which_nothing_came_is_no_wrong():
    total = judge([asked()], told("failed"), came(), came())

    assert total.is_right
    assert total.failed == 1


def test_a_hash_that_did_not_pay_is_a_lie():
    other = "0x" + "2" * 64
    total = judge([asked()], told("delivered", tx_hash=other), came(9_500_000), came(9_500_000))

    assert wrongs(total) == {"lied"}


def test_a_payout_that_the_api_no_longer_knows_is_lost():
    assert wrongs(judge([asked()], {}, came(9_500_000), came(9_500_000))) == {"lost"}


def test_what_was_never_accepted_must_not_be_paid():
    assert wrongs(judge([asked(accepted=False)], {}, came(), came())) == {"refused"}
    paid = judge([asked(accepted=False)], {}, came(9_500_000), came(9_500_000))
    assert wrongs(paid) == {"refused", "astray"}


@pytest.mark.parametrize(
    ("status", "has", "is_off"),
    [
        ("delivered", 90_000_000, False),
        ("delivered", 100_000_000, True),
        ("failed", 100_000_000, False),
        ("failed", 90_000_000, True),
        ("failed", 110_000_000, True),
    ],
)
def test_a_user_has_what_was_not_sent(status, has, is_off):
    off = balances_off(
        [asked()], told(status), {"anna": {"ethereum": has}}, funds_units=100_000_000
    )

    assert bool(off) is is_off
