"""PostgreSQL dies of kill -9 while money moves; everybody comes back by themselves."""

from time import monotonic, sleep

import pytest

from tests.survival.door import Crowd

pytestmark = [pytest.mark.survival, pytest.mark.timeout(90, func_only=True)]

CRASHES = 3
AWAY_SECONDS = 0.7
TRACES = """
SELECT q.used_at IS NOT NULL, p.id IS NOT NULL, e.payout_id IS NOT NULL,
       m.id IS NOT NULL, s.key IS NOT NULL
FROM payouts_quote q
LEFT JOIN payouts_payout p ON p.quote_id = q.id
LEFT JOIN payouts_payoutevent e ON e.payout_id = p.id AND e.number = 1
LEFT JOIN ledger_movement m
    ON m.reference = 'payout:' || replace(q.payout_id::text, '-', '') || ':hold'
LEFT JOIN partners_storedanswer s ON s.key = %s AND s.status = 201
WHERE q.id = %s
"""


def test_postgresql_killed_again_and_again_loses_nothing_it_promised(house, worker, paid_once):
    absences = []
    with Crowd(house.port, house.keys["live"], size=4) as crowd:
        for _ in range(CRASHES):
            enough = len(crowd.accepted) + 10
            house.wait(
                lambda enough=enough: len(crowd.accepted) >= enough, seconds=20, what="payouts"
            )
            killed = monotonic()
            house.postgres.kill()
            sleep(AWAY_SECONDS)
            house.start_postgres()
            absences.append((killed, monotonic()))
        enough = len(crowd.accepted) + 10
        house.wait(lambda: len(crowd.accepted) >= enough, seconds=20, what="payouts")

    accepted = crowd.accepted
    broken = [asked for asked in crowd.executes if not asked.is_accepted]
    traces = {asked.key: trace_of(house, asked) for asked in broken}
    paid_once(accepted)
    repeated = [house.partner().repeat(asked) for asked in broken]
    paid_once(accepted + repeated)

    print(
        f"{CRASHES} crashes, {len(accepted)} accepted, {len(broken)} without an answer,"
        f" of which {sum(map(all, traces.values()))} were committed"
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


def trace_of(house, asked):
    return house.ask(TRACES, [asked.key, asked.quote_key])[0]
