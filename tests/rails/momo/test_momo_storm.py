"""500 payouts to an operator that loses answers, requests and callbacks, and forgets.

Goal: every reference is paid exactly once, counted in the operator's own books, and every
payout gets its end. Method: the engine's verbs in a loop, handing over whatever is live
each time; the quarter of an hour is four seconds, and the operator's minute one.
"""

from collections import Counter
from random import Random
from time import monotonic, sleep
from uuid import UUID

import pytest
from django.db import transaction

from engine.rails.base import Outcome, Prepared
from engine.rails.models import MomoSend
from engine.rails.momo.references import reference_of
from tests.rails.momo.play import connect, drive

PAYOUTS = 500
STORM = {
    "seed": 20_26,
    "lost_reply": 0.30,
    "refused_before": 0.10,
    "lost_callback": 0.20,
    "late": 0.05,
    "late_seconds": 1.0,
    "hang_seconds": 0.8,
    "settle_seconds": 0.3,
    "lost_status": 0.02,
    "lost_request": 0.02,
}

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture
def storm(mtn, door, settings):
    # With the payouts' ids these make the references, and those the dice: one story for all.
    settings.SIGNING_KEYS = ["the-storm-s-own-key-0123456789abcdef0123456789"]
    settings.MOMO_TIMEOUT_SECONDS = 0.5
    settings.MOMO_LOST_SECONDS = 4.0
    settings.MOMO_STATUS_PER_SECOND = 500.0
    account = connect(mtn, callback_url=door.url)
    mtn.state.behaviour.change(STORM)
    return account


def test_every_reference_is_paid_exactly_once_and_every_payout_ends(
    rail, mtn, storm, door, order
):
    ids = Random(STORM["seed"])
    orders = [
        order(payout_id=UUID(int=ids.getrandbits(128), version=4), units=1000 + number)
        for number in range(PAYOUTS)
    ]
    with transaction.atomic():
        batch = rail.prepare(orders)
    assert all(isinstance(one, Prepared) for one in batch)

    began = monotonic()
    ends = drive(rail, batch, rounds=200, pause=lambda: sleep(0.2))
    seconds = monotonic() - began

    paid = mtn.state.ledger()
    sends = MomoSend.objects.all()
    posts = Counter(mtn.state.posts.values())
    print(
        f"{PAYOUTS} payouts in {seconds:.0f} s; POSTs to a reference: {dict(sorted(posts.items()))};"
        f" looks {len(mtn.state.look_times)}; callbacks {len(door.heard)}"
    )
    # Every payout has ended, as paid.
    assert Counter(one.outcome for one in ends.values()) == {Outcome.FINAL: PAYOUTS}
    # Paid once each, under the one reference that it was promised, to the franc.
    wanted = {str(reference_of(one)): str(one.units) for one in orders}
    assert {one["reference"]: one["amount"] for one in paid} == wanted
    assert set(Counter(one["externalId"] for one in paid).values()) == {1}
    assert len(paid) == PAYOUTS == len(mtn.state.transfers)
    # Nobody was ever posted under a name that was not ours.
    assert set(mtn.state.posts) == set(wanted)
    # The storm was one: answers were lost, transfers refused, callbacks lost.
    assert sum(1 for count in mtn.state.posts.values() if count > 1) > PAYOUTS * 0.08
    assert PAYOUTS * 0.6 < len(mtn.callbacks.made) < PAYOUTS * 0.9
    assert sends.filter(needs_person=True).count() == 0
