"""A journal line that somebody has changed is a break, and pays nobody."""

import json

import pytest

from engine.common.ids import new_id
from engine.payouts import journal, reconciling
from engine.payouts.models import Payout, Quote
from engine.rails.base import rail_named
from engine.rails.models import Attempt
from tests.cast import USDT, drain_once
from tests.payouts import outside
from tests.restoring import Backup

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = "0x" + "66" * 20
# What is changed, as a path through the line, and what reconcile calls it.
CHANGES = [
    ({"quote.signature": "A" * 43}, "cannot_recall"),
    ({"quote.signature": "no base64 at all"}, "cannot_recall"),
    ({"quote.destination": ELSEWHERE, "payout.destination": ELSEWHERE}, "cannot_recall"),
    ({"quote.units_sent": 9, "payout.units_sent": 9}, "cannot_recall"),
    ({"payout.destination": ELSEWHERE}, "cannot_recall"),
    ({"payout.units_received": 10**9}, "cannot_recall"),
    ({"payout.quote_id": str(new_id())}, "cannot_recall"),
    ({"payout.id": str(new_id())}, "cannot_recall"),
    ({"attempt.network": "polygon"}, "cannot_recall"),
    ({"attempt.rail": "nowhere"}, "cannot_recall"),
    ({"attempt.reference": "x" * 200}, "cannot_recall"),
    ({"terms": {}}, "cannot_recall"),
    ({"terms.payload": "no hex"}, "cannot_recall"),
    ({"terms.destination": ELSEWHERE}, "cannot_recall"),
    ({"terms.units": str(10**12)}, "cannot_recall"),
    ({"terms.asset": "XAUT"}, "cannot_recall"),
    ({"terms.payout": new_id().hex}, "cannot_recall"),
    ({"terms.from_network": "polygon"}, "cannot_recall"),
    ({"terms.to_network": "polygon"}, "cannot_recall"),
    ({"payout": "no payout"}, "journal_torn"),
    ({"attempt.leg": "one"}, "journal_torn"),
    ({"payout.id": "no id"}, "journal_torn"),
]


@pytest.fixture(autouse=True)
def outside_that_remembers(settings, tmp_path, monkeypatch):
    monkeypatch.setenv(outside.FILE, str(tmp_path / "outside.jsonl"))
    settings.PAYOUT_RAILS = settings.PAYOUT_RAILS | {
        outside.NAME: "tests.payouts.outside.OutsideRail"
    }
    settings.PAYOUT_RAIL = outside.NAME
    rail_named.cache_clear()
    yield
    rail_named.cache_clear()


def changed(line, changes):
    line = json.loads(line)
    for path, value in changes.items():
        *above, name = path.split(".")
        place = line
        for one in above:
            place = place[one]
        place[name] = value
    return json.dumps(line) + "\n"


def reconcile(settings):
    return reconciling.reconcile(homes=[settings.JOURNAL_DIR], say=lambda *_: None)


def rows():
    return [model.objects.count() for model in (Quote, Payout, Attempt)]


def test_whatever_is_changed_in_a_line_brings_nothing_back(
    funded, promise, execute, settings, tmp_path
):
    backup = Backup(tmp_path / "dump")
    execute(promise(units=5 * USDT))
    drain_once()
    drain_once()
    [(_, folder)] = journal.folders(settings.JOURNAL_DIR)
    [file] = journal.files(folder)
    whole = file.read_text()
    backup.restore()

    for changes, kind in CHANGES:
        file.write_text(changed(whole, changes))
        report = reconcile(settings)
        assert [one.kind for one in report.breaks] == [kind], changes
        assert rows() == [0, 0, 0], changes

    file.write_text(whole)
    report = reconcile(settings)
    assert (report.breaks, report.recreated, rows()) == ([], 1, [1, 1, 1])
    assert len(outside.sends()) == 1


def test_a_quote_comes_back_under_a_signing_key_that_was_first_once(
    funded, promise, execute, settings, tmp_path
):
    backup = Backup(tmp_path / "dump")
    execute(promise(units=5 * USDT))
    drain_once()
    backup.restore()
    settings.SIGNING_KEYS = ["another-key-of-enough-length-0123456789", *settings.SIGNING_KEYS]

    report = reconcile(settings)

    assert (report.breaks, report.recreated) == ([], 1)
