"""No API can break its promise, whatever path the engine takes.

Goal: a client of any door sees only the statuses and the changes its documentation lists.
Method: walk every edge of the engine and look at it through each door.
"""

import pytest
from django.conf import settings

from engine.payouts.doors import door_named
from engine.payouts.states import EDGES, FINAL, Status

DOORS = [door_named(name) for name in settings.PAYOUT_DOORS]
STEPS = [(start, end) for start, following in EDGES.items() for end in sorted(following)]


def name_of(door):
    return door.name


@pytest.mark.parametrize("door", DOORS, ids=name_of)
def test_a_door_is_called_what_settings_call_it(door):
    assert door_named(door.name) is door


@pytest.mark.parametrize("door", DOORS, ids=name_of)
def test_every_state_has_a_word(door):
    assert set(door.words) == set(Status)
    assert set(door.words.values()) == set(door.edges)


@pytest.mark.parametrize("door", DOORS, ids=name_of)
@pytest.mark.parametrize(("start", "end"), STEPS)
def test_every_step_is_silent_or_promised(door, start, end):
    before, after = door.words[start], door.words[end]

    assert before == after or after in door.edges[before]


@pytest.mark.parametrize("door", DOORS, ids=name_of)
def test_final_means_final_on_both_sides(door):
    for status in Status:
        assert (status in FINAL) == (not door.edges[door.words[status]])


def test_connect_says_what_its_published_documents_say():
    connect = door_named("connect")

    assert {status.value: word for status, word in connect.words.items()} == {
        "pending": "pending",
        "sending": "pending",
        "broadcast": "broadcast",
        "delivered": "delivered",
        "failed": "failed",
        "cancelled": "failed",
    }
