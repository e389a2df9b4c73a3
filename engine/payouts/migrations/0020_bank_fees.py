"""What a SEPA transfer costs to begin with; operators edit it in admin.

Business accounts in the euro area pay between nothing and half a euro for a transfer in a
file; it arrives on the next working day.
"""

from datetime import UTC, datetime

from django.db import migrations

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
BANK_CENTS, PLATFORM_BASIS_POINTS = 20, 20
SECONDS = 24 * 60 * 60


def insert(apps, schema_editor):
    apps.get_model("payouts", "GatewayFee").objects.bulk_create(
        [
            apps.get_model("payouts", "GatewayFee")(
                gateway="sepa",
                currency="EUR",
                gateway_units=BANK_CENTS,
                platform_basis_points=PLATFORM_BASIS_POINTS,
                seconds=SECONDS,
                as_of=AS_OF,
            )
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("payouts", "0014_float_reserves")]
    # Backwards the row stays: an operator has edited it since.
    operations = [migrations.RunPython(insert, migrations.RunPython.noop)]
