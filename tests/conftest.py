"""The cast, the same everywhere: a partner, another partner, their users and their money."""

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations

# What migrations put there and every test relies on; the flush between tests that really
# commit leaves it alone.
SEEDS = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "partners_feeschedule",
    "payouts_assetprice",
    "payouts_bridgefee",
    "payouts_networkfee",
}
TRUNCATE_GUARDED = ("ledger_movement", "rails_sendevidence", "rails_attempt")


@pytest.fixture(scope="session", autouse=True)
def flush_that_respects_triggers():
    """Empties tables between tests although triggers refuse TRUNCATE, even to the owner."""
    sql_flush = DatabaseOperations.sql_flush

    def flush(self, style, tables, **options):
        wanted = [table for table in tables if table not in SEEDS]
        guarded = [table for table in TRUNCATE_GUARDED if table in wanted]
        return [
            *(f"ALTER TABLE {table} DISABLE TRIGGER USER;" for table in guarded),
            *sql_flush(self, style, wanted, **options),
            *(f"SELECT zopay_test_enable_always('{table}');" for table in guarded),
        ]

    DatabaseOperations.sql_flush = flush
    yield
    DatabaseOperations.sql_flush = sql_flush


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Adds the one helper the flush needs: ALWAYS is how the triggers were enabled."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("""
            CREATE OR REPLACE FUNCTION zopay_test_enable_always(p_table text) RETURNS void
            LANGUAGE plpgsql AS $$
            DECLARE v_name name;
            BEGIN
                FOR v_name IN SELECT tgname FROM pg_trigger
                    WHERE tgrelid = p_table::regclass AND NOT tgisinternal
                LOOP
                    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', p_table, v_name);
                END LOOP;
            END $$
        """)
