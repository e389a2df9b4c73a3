"""PostgreSQL dies of kill -9 while money moves; everybody comes back by themselves."""

from time import monotonic, sleep

import pytest

from tests.survival.counting import traces_of
from tests.survival.door import Crowd

pytestmark = [pytest.mark.survival, pytest.mark.timeout(90, func_only=True)]

CRASHES = 3
AWAY_SECONDS = 0.7


def test_postgresql_killed_again_and_again_loses_nothing_it_promised(house, worker, paid_once):
    absences = []
    with Crowd(house.port, house.keys["live"], size=4) as crowd:
        for _ in range(CRASHES):
            enough = len(crowd.accepted) + 10
            house.wait(
                lambda enough=enough: len(crowd.accepted) >= enough, seconds=20, what="payouts"
            )
            killed = monotonic()
            house.kill_postgres()
            sleep(AWAY_SECONDS)
            house.start_postgres()
            absences.append((killed, monotonic()))
        enough = len(crowd.accepted) + 10
        house.wait(lambda: len(crowd.accepted) >= enough, seconds=20, what="payouts")

    accepted = crowd.accepted
    broken = [asked for asked in crowd.executes if not asked.is_accepted]
    traces = {asked.key: traces_of(house, asked) for asked in broken}
    paid_once(accepted)
    repeated = [house.partner().repeat(asked) for asked in broken]
    paid_once(accepted + repeated)

    print(
        f"{CRASHES} crashes, {len(accepted)} accepted, {len(broken)} without an answer,"
        f" of which {sum(map(all, traces.values()))} were committed;"
        f" they were told {sorted({asked.answers[0].status for asked in broken})}"
    )
    # All of it was written, or none.
    assert [trace for trace in traces.values() if any(trace) != all(trace)] == []
    assert {asked.answers[0].status for asked in broken} <= {0, 500, 503}
    # Once it answers again, so does the web server, at the first try.
    assert [asked for asked in broken if not met_one_of(absences, asked.answers[0])] == []


def met_one_of(absences, answer):
    return any(
        answer.began < back and answer.began + answer.seconds > killed
        for killed, back in absences
    )
