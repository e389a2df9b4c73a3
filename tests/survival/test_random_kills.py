"""Workers die of kill -9 at any moment, over a rail that loses words: all is paid once."""

import os
from random import Random
from secrets import randbelow
from threading import Thread
from time import monotonic, sleep

import pytest

pytestmark = [pytest.mark.survival, pytest.mark.timeout(100, func_only=True)]

PAYOUTS, KILLS = 120, 25
FAULT = "INSERT INTO rails_simulatedfault (kind, remaining, seconds) VALUES (%s, %s, 1)"
# Of every hundred sends; the rest is answered.
FAULTS = ["drop_reply"] * 30 + ["drop_request"] * 10
# The rest of the deaths are those of a worker's children, whom it replaces at once.
WHOLE = 0.4
# Four in five are long enough for some steps; the last hardly lets a worker start.
PAUSES = [0.3, 0.5, 0.8, 1.2, 0.05]


def test_workers_killed_at_random_pay_everybody_once(house, paid_once):
    seed = int(os.environ.get("SURVIVAL_SEED") or randbelow(10**6))
    dice, began = Random(seed), monotonic()
    print(f"SURVIVAL_SEED={seed}")
    house.change("UPDATE rails_simulatedfault SET remaining = 0")
    with house.working(size=2, changes=["changes.names_nobody_can_guess"]) as workers:
        executes = []
        paying = Thread(target=pay, args=(house, executes, Random(seed)), daemon=True)
        paying.start()
        for _ in range(KILLS):
            pause = monotonic() + dice.choice(PAUSES)
            house.wait(lambda until=pause: monotonic() > until, seconds=5, what="a pause")
            for kind in dice.sample(FAULTS, 3):
                house.change(FAULT, [kind, 1])
            victim = dice.choice(workers)
            if dice.random() < WHOLE:
                victim.kill()
                house.tend()
            else:
                victim.kill_children()
        paying.join(30)
        assert not paying.is_alive()
        total = paid_once(executes, seconds=60)
        whole = sum(worker.deaths for worker in workers)

    print(
        f"{len(executes)} payouts, {KILLS} kills ({whole} of whole workers),"
        f" {monotonic() - began:.1f} s: {total.delivered} delivered,"
        f" {len(total.lost)} lost, {len(total.twice)} twice"
    )
    assert len(executes) == total.delivered == PAYOUTS


def pay(house, executes, dice):
    partner = house.partner()
    for _ in range(PAYOUTS):
        # Spread over all the deaths.
        sleep(dice.uniform(0, 0.2))
        executes.append(partner.pay(network=dice.choice(["ethereum", "polygon"])))
