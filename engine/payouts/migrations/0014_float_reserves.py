"""What batches of payouts set aside of floats for rows that are still to come."""

import django.db.models.deletion
import django.db.models.functions.datetime
import engine.common.units
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payouts", "0013_conversions")]
    operations = [
        migrations.CreateModel(
            name='FloatReserve',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('batch_id', models.UUIDField()),
                ('rows', models.PositiveIntegerField()),
                ('units', engine.common.units.UnitsField()),
                ('account_id', models.BigIntegerField(unique=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('float', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reserves', to='payouts.partnerfloat')),
            ],
            options={
                'default_permissions': ('view',),
                'constraints': [
                    models.UniqueConstraint(fields=('batch_id', 'float'), name='float_is_reserved_once_for_a_batch'),
                    models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='reserve_is_positive'),
                ],
            },
        ),
    ]
