"""Fees and prices of mobile money to begin with; operators edit them in admin.

The CFA francs are pegged at 655.957 to the euro; their prices are of that order.
"""

from datetime import UTC, datetime

from django.db import migrations

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
GATEWAYS = ("mtn_momo", "orange_money")
CURRENCIES = {"XAF": 1_770, "XOF": 1_770}
GATEWAY_BASIS_POINTS, PLATFORM_BASIS_POINTS = 30, 20


def insert(apps, schema_editor):
    fee, price = apps.get_model("payouts", "GatewayFee"), apps.get_model("payouts", "AssetPrice")
    fee.objects.bulk_create(
        [
            fee(
                gateway=gateway,
                currency=currency,
                gateway_basis_points=GATEWAY_BASIS_POINTS,
                platform_basis_points=PLATFORM_BASIS_POINTS,
                as_of=AS_OF,
            )
            for gateway in GATEWAYS
            for currency in CURRENCIES
        ],
        ignore_conflicts=True,
    )
    price.objects.bulk_create(
        [
            price(asset=currency, usd_micros=usd_micros, as_of=AS_OF)
            for currency, usd_micros in CURRENCIES.items()
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("payouts", "0010_floats")]
    # Backwards the rows stay: an operator has edited them since.
    operations = [migrations.RunPython(insert, migrations.RunPython.noop)]
