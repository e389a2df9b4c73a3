"""The execute function and the triggers that hold a payout to its life.

To change a function later, edit its file under sql/ and add a migration that runs it
again: every function there is CREATE OR REPLACE.
"""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

BACKWARD = """
DROP TRIGGER payout_events_are_never_emptied ON payouts_payoutevent;
DROP TRIGGER payouts_are_never_emptied ON payouts_payout;
DROP TRIGGER payout_event_is_for_ever ON payouts_payoutevent;
DROP TRIGGER payout_is_never_deleted ON payouts_payout;
DROP TRIGGER payout_terms_are_fixed ON payouts_payout;
DROP TRIGGER payout_step_is_legal ON payouts_payout;
DROP TRIGGER quote_keeps_its_promise ON payouts_quote;
DROP FUNCTION payouts_terms_are_fixed();
DROP FUNCTION payouts_step_is_legal();
DROP FUNCTION payouts_quote_keeps_its_promise();
DROP FUNCTION payouts_refuse_change();
DROP FUNCTION IF EXISTS payouts_execute(uuid, text, uuid, boolean, text, bytea, interval, jsonb, text);
DROP FUNCTION payouts_replay(uuid, boolean, text, bytea, timestamptz);
DROP FUNCTION payouts_answer(text, timestamptz);
DROP FUNCTION payouts_objection(payouts_quote);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0001_initial"),
        ("ledger", "0002_functions"),
        ("rails", "0001_initial"),
    ]
    operations = [
        migrations.RunSQL((SQL / "execute.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "guards.sql").read_text(), BACKWARD),
    ]
