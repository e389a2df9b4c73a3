"""The books: what an amount is, the two tables, and what PostgreSQL refuses.

The SQL here is written out, not imported: a migration that has run must not change.
"""

import django.db.models.deletion
from django.db import migrations, models

import engine.common.units
from engine.common.units import CREATE_UNITS_DOMAIN, DROP_UNITS_DOMAIN

# With the asset and the mode in the key, a movement whose accounts differ in either has
# nothing to point at.
COMPOSITE_KEYS = """
ALTER TABLE ledger_movement
    ADD CONSTRAINT movement_debits_an_account_of_its_asset_and_mode
        FOREIGN KEY (debit_id, asset, livemode)
        REFERENCES ledger_account (id, asset, livemode),
    ADD CONSTRAINT movement_credits_an_account_of_its_asset_and_mode
        FOREIGN KEY (credit_id, asset, livemode)
        REFERENCES ledger_account (id, asset, livemode),
    ADD CONSTRAINT correction_names_a_movement
        FOREIGN KEY (corrects_id) REFERENCES ledger_movement (id);
-- Balances are written again and again: room in the page keeps each new version there,
-- and out of the indexes.
ALTER TABLE ledger_account SET (fillfactor = 70);
"""
DROP_COMPOSITE_KEYS = """
ALTER TABLE ledger_account RESET (fillfactor);
ALTER TABLE ledger_movement
    DROP CONSTRAINT correction_names_a_movement,
    DROP CONSTRAINT movement_credits_an_account_of_its_asset_and_mode,
    DROP CONSTRAINT movement_debits_an_account_of_its_asset_and_mode;
"""

# A trigger, since a missing privilege does not stop the table's owner, who we are. ALWAYS,
# since session_replication_role = replica silences every other trigger.
GUARDS = """
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'movements are for ever: write a new one that corrects the old'
        USING ERRCODE = 'restrict_violation',
              CONSTRAINT = TG_NAME,
              TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER movement_is_for_ever
    BEFORE UPDATE OR DELETE ON ledger_movement
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER movements_are_not_truncated
    BEFORE TRUNCATE ON ledger_movement
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_movement
    ENABLE ALWAYS TRIGGER movement_is_for_ever,
    ENABLE ALWAYS TRIGGER movements_are_not_truncated;
"""
DROP_GUARDS = """
DROP TRIGGER movements_are_not_truncated ON ledger_movement;
DROP TRIGGER movement_is_for_ever ON ledger_movement;
DROP FUNCTION ledger_refuse_change();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(CREATE_UNITS_DOMAIN, DROP_UNITS_DOMAIN),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("code", models.CharField(db_collation="C", max_length=100)),
                ("asset", models.CharField(db_collation="C", max_length=16)),
                ("livemode", models.BooleanField()),
                ("balance", engine.common.units.UnitsField(db_default=0)),
                ("may_go_negative", models.BooleanField(db_default=False)),
                ("is_hot", models.BooleanField(db_default=False)),
                ("rolled_up_through", models.BigIntegerField(db_default=0)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_hot", True)),
                        fields=["id"],
                        name="ledger_account_hot",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("code", "asset", "livemode"), name="account_is_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("balance__gte", 0),
                            ("may_go_negative", True),
                            _connector="OR",
                        ),
                        name="account_is_not_overdrawn",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_hot", True), ("rolled_up_through", 0), _connector="OR"
                        ),
                        name="only_hot_accounts_are_rolled_up",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Movement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("reference", models.CharField(db_collation="C", max_length=120)),
                ("asset", models.CharField(db_collation="C", max_length=16)),
                ("livemode", models.BooleanField()),
                ("units", engine.common.units.UnitsField()),
                (
                    "moved_at",
                    models.DateTimeField(
                        db_default=models.Func(function="clock_timestamp")
                    ),
                ),
                (
                    "corrects",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="ledger.movement",
                    ),
                ),
                (
                    "credit",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="ledger.account",
                    ),
                ),
                (
                    "debit",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="debits",
                        to="ledger.account",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("reference",), name="movement_reference_is_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("units__gt", 0)),
                        name="movement_is_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("debit", models.F("credit")), _negated=True
                        ),
                        name="movement_has_two_accounts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("corrects__isnull", True),
                            ("corrects__lt", models.F("id")),
                            _connector="OR",
                        ),
                        name="correction_comes_later",
                    ),
                ],
            },
        ),
        # By itself, since CreateModel writes its constraints only when the migration ends.
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                fields=("id", "asset", "livemode"),
                name="account_has_one_asset_and_mode",
            ),
        ),
        migrations.RunSQL(COMPOSITE_KEYS, DROP_COMPOSITE_KEYS),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
