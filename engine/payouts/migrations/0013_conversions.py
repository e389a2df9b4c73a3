"""Money may be changed from one asset into another, at a rate that says where it is from.

Prices to begin with, of which operators edit what moves: the CFA franc is pegged at
655.957 to the euro, so the euro's price here is that many francs of migration 0011's.
"""

from datetime import UTC, datetime

import django.db.models.deletion
import engine.common.ids
import engine.common.units
from django.db import migrations, models

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
CURRENCIES = {"EUR": 1_161_044, "GBP": 1_310_000, "USD": 1_000_000}
GUARD = """
CREATE TRIGGER conversion_is_for_ever BEFORE UPDATE OR DELETE ON payouts_conversion
    FOR EACH ROW EXECUTE FUNCTION payouts_refuse_change();
CREATE TRIGGER conversions_are_never_emptied BEFORE TRUNCATE ON payouts_conversion
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse_change();
ALTER TABLE payouts_conversion ENABLE ALWAYS TRIGGER conversion_is_for_ever;
ALTER TABLE payouts_conversion ENABLE ALWAYS TRIGGER conversions_are_never_emptied;
"""
UNGUARD = """
DROP TRIGGER conversion_is_for_ever ON payouts_conversion;
DROP TRIGGER conversions_are_never_emptied ON payouts_conversion;
"""


def insert(apps, schema_editor):
    price = apps.get_model("payouts", "AssetPrice")
    price.objects.bulk_create(
        [
            price(asset=currency, usd_micros=usd_micros, as_of=AS_OF)
            for currency, usd_micros in CURRENCIES.items()
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('payouts', '0012_a_quote_keeps_to_its_door'),
    ]

    operations = [
        migrations.AddField(
            model_name='assetprice',
            name='source',
            field=models.CharField(default='operator', help_text="Who says so, such as a bank's name", max_length=100),
        ),
        migrations.CreateModel(
            name='Conversion',
            fields=[
                ('id', models.UUIDField(default=engine.common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('livemode', models.BooleanField()),
                ('from_asset', models.CharField(max_length=16)),
                ('to_asset', models.CharField(max_length=16)),
                ('from_units', engine.common.units.UnitsField()),
                ('to_units', engine.common.units.UnitsField()),
                ('from_usd_micros', models.BigIntegerField()),
                ('to_usd_micros', models.BigIntegerField()),
                ('spread_basis_points', models.PositiveIntegerField()),
                ('source', models.CharField(max_length=100)),
                ('as_of', models.DateTimeField()),
                ('from_account_id', models.BigIntegerField()),
                ('quote', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='conversion', to='payouts.quote')),
            ],
            options={
                'default_permissions': ('view',),
                'constraints': [models.CheckConstraint(condition=models.Q(('from_units__gt', 0), ('to_units__gt', 0)), name='conversion_is_positive'), models.CheckConstraint(condition=models.Q(('from_asset', models.F('to_asset')), _negated=True), name='conversion_has_two_assets'), models.CheckConstraint(condition=models.Q(('from_usd_micros__gt', 0), ('to_usd_micros__gt', 0)), name='conversion_has_a_rate'), models.CheckConstraint(condition=models.Q(('spread_basis_points__lt', 10000)), name='conversion_gives_something')],
            },
        ),
        migrations.RunPython(insert, migrations.RunPython.noop),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
