"""The functions that write the books. engine/ledger/sql says how to change one later."""

from django.db import migrations

from engine.ledger.sql import read_sql

DROP_FUNCTIONS = """
DROP FUNCTION ledger_move_many(text[], bigint[], bigint[], numeric[]);
DROP FUNCTION ledger_move(text, bigint, bigint, numeric, bigint);
DROP FUNCTION ledger_open_account(text, text, boolean, boolean, boolean);
DROP FUNCTION ledger_cover_hot_debit(bigint, numeric);
DROP FUNCTION ledger_balance_of(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunSQL(read_sql("move.sql"), DROP_FUNCTIONS)]
