"""The one who counts: what the outside saw arrive, against what partners were told.

It does not ask the engine. Money that is on its way for sure counts as arrived, so that
nothing can come late, after the count.
"""

from dataclasses import dataclass, field

from engine.ledger.checks import listed_invariants

PAYOUTS = """
SELECT p.id, p.needs_review, p.status,
       CASE WHEN p.from_network = p.to_network THEN 1 ELSE 2 END,
       p.units_received, p.destination
FROM payouts_payout p WHERE p.id = ANY(%s)
"""
ARRIVED = """
SELECT payout_id::uuid, leg, count(*), min(units), max(units), min(destination)
FROM rails_simulatedtransfer
WHERE fails_at IS NULL AND payout_id::uuid = ANY(%s)
GROUP BY payout_id, leg
"""
NOT_ENDED = """
SELECT count(*) FROM unnest(%s::uuid[]) AS asked(id)
LEFT JOIN payouts_payout p USING (id) WHERE p.finished_at IS NULL
"""

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


@dataclass
class Count:
    """`lost`: said to be paid, and nothing came, or nobody knows of it. `twice`: more came
    than should, or it came and was given back as well. `astray`: not as much as promised, or
    not there. `stuck`: a person is asked to look, and no test gives a reason to."""

    delivered: int = 0
    failed: int = 0
    lost: list = field(default_factory=list)
    twice: list = field(default_factory=list)
    unfinished: list = field(default_factory=list)
    astray: list = field(default_factory=list)
    stuck: list = field(default_factory=list)

    @property
    def is_right(self):
        return not (self.lost or self.twice or self.unfinished or self.astray or self.stuck)


def count(ask, payout_ids):
    """Judge every payout that was accepted; `ask` runs SQL on the house's database."""
    ids, total = list(payout_ids), Count()
    payouts = {row[0]: row[1:] for row in ask(PAYOUTS, [ids])}
    arrived = {(row[0], row[1]): row[2:] for row in ask(ARRIVED, [ids])}
    for key in ids:
        if key not in payouts:
            total.lost.append(key)
            continue
        needs_review, status, legs, units, destination = payouts[key]
        if needs_review:
            total.stuck.append(key)
        came = [arrived.get((key, leg), (0, units, units, destination)) for leg in (1, 2)]
        _judge(total, key, status, [one[0] for one in came[:legs]])
        if any(one[1:] != (units, units, destination) for one in came):
            total.astray.append(key)
    return total


def _judge(total, key, status, times):
    if any(each > 1 for each in times) or (status == "failed" and times[-1]):
        total.twice.append(key)
    match status:
        case "delivered":
            total.delivered += 1
            if not all(times):
                total.lost.append(key)
        case "failed":
            total.failed += 1
        case _:
            total.unfinished.append(key)


def broken_books(ask):
    """The names of the invariants that do not hold, with the rows that show it."""
    found = {each.name: ask(each.sql) for each in listed_invariants()}
    return {name: rows for name, rows in found.items() if rows}


def traces_of(house, asked):
    """What an execute has left: quote used, payout, first event, hold, stored answer."""
    return house.ask(TRACES, [asked.key, asked.quote_key])[0]
