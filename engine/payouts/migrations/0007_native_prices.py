"""The coins that gas is paid in get prices, and network fees may follow their chains.

Operators edit the prices in admin; nothing here is a market feed, and `as_of` says how old
a row is. Base and Optimism charge for the data they post to Ethereum beside the gas that a
node estimates, so their fees stay what an operator says.
"""

from datetime import UTC, datetime

import django.utils.timezone
from django.db import migrations, models

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
COINS = {"ETH": 3_000_000_000, "POL": 250_000, "AVAX": 20_000_000}
NOT_FOLLOWED = ("base", "optimism")


def insert(apps, schema_editor):
    native = apps.get_model("payouts", "NativePrice")
    native.objects.bulk_create(
        [
            native(asset=asset, usd_micros=usd_micros, as_of=AS_OF)
            for asset, usd_micros in COINS.items()
        ],
        ignore_conflicts=True,
    )
    fee = apps.get_model("payouts", "NetworkFee")
    fee.objects.filter(network__in=NOT_FOLLOWED).update(follows_chain=False)


class Migration(migrations.Migration):
    dependencies = [("payouts", "0005_the_fence")]
    operations = [
        migrations.CreateModel(
            name="NativePrice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("asset", models.CharField(max_length=16, unique=True)),
                (
                    "usd_micros",
                    models.BigIntegerField(help_text="Micro-dollars for one whole coin"),
                ),
                ("as_of", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ("asset",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("usd_micros__gt", 0)),
                        name="native_price_is_positive",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="networkfee",
            name="follows_chain",
            field=models.BooleanField(
                default=True, help_text="Measured wherever the network is connected"
            ),
        ),
        migrations.RunPython(insert, migrations.RunPython.noop),
    ]
