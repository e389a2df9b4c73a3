"""The house's own bridges. A promise is made once, and ends once.

ALWAYS, so that a replication role does not switch the triggers off.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import engine.common.units

FORWARD = """
-- That it has ended may be noted, once. Nothing else about a promise ever changes.
CREATE FUNCTION rails_crossing_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.released_at IS NULL
        AND (OLD.id, OLD.reference, OLD.payout_id, OLD.asset, OLD.from_network,
             OLD.to_network, OLD.units, OLD.wallet_id, OLD.reserved_at)
            IS NOT DISTINCT FROM
            (NEW.id, NEW.reference, NEW.payout_id, NEW.asset, NEW.from_network,
             NEW.to_network, NEW.units, NEW.wallet_id, NEW.reserved_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'crossing % is for ever', OLD.reference
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER crossing_only_ends BEFORE UPDATE ON rails_housecrossing
    FOR EACH ROW EXECUTE FUNCTION rails_crossing_only_ends();
CREATE TRIGGER crossing_is_never_deleted BEFORE DELETE ON rails_housecrossing
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER crossings_are_never_emptied BEFORE TRUNCATE ON rails_housecrossing
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER liquidity_move_is_for_ever BEFORE UPDATE OR DELETE ON rails_liquiditymove
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER liquidity_moves_are_never_emptied BEFORE TRUNCATE ON rails_liquiditymove
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();

ALTER TABLE rails_housecrossing ENABLE ALWAYS TRIGGER crossing_only_ends;
ALTER TABLE rails_housecrossing ENABLE ALWAYS TRIGGER crossing_is_never_deleted;
ALTER TABLE rails_housecrossing ENABLE ALWAYS TRIGGER crossings_are_never_emptied;
ALTER TABLE rails_liquiditymove ENABLE ALWAYS TRIGGER liquidity_move_is_for_ever;
ALTER TABLE rails_liquiditymove ENABLE ALWAYS TRIGGER liquidity_moves_are_never_emptied;
"""
# The tables go with their triggers.
BACKWARD = """
DROP TRIGGER crossing_only_ends ON rails_housecrossing;
DROP FUNCTION rails_crossing_only_ends();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rails", "0006_deposit_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="LiquidityMove",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("asset", models.CharField(max_length=16)),
                ("from_network", models.CharField(max_length=16)),
                ("to_network", models.CharField(max_length=16)),
                ("units", engine.common.units.UnitsField()),
                ("reference", models.CharField(max_length=128, unique=True)),
                (
                    "noted_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "ordering": ("-id",),
                "default_permissions": ("view",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("units__gt", 0), models.Q(("reference", ""), _negated=True)
                        ),
                        name="liquidity_move_is_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("from_network", models.F("to_network")), _negated=True
                        ),
                        name="liquidity_move_has_two_ends",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HouseCrossing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reference", models.CharField(max_length=128, unique=True)),
                ("payout_id", models.UUIDField()),
                ("asset", models.CharField(max_length=16)),
                ("from_network", models.CharField(max_length=16)),
                ("to_network", models.CharField(max_length=16)),
                ("units", engine.common.units.UnitsField()),
                (
                    "reserved_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rails.hotwallet",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("released_at__isnull", True)),
                        fields=["wallet", "asset"],
                        name="crossing_is_open",
                    ),
                    models.Index(fields=["payout_id"], name="crossing_of_payout"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("units__gt", 0)), name="crossing_is_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("from_network", models.F("to_network")), _negated=True
                        ),
                        name="crossing_has_two_ends",
                    ),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
