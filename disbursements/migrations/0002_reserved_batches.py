"""A batch keeps the fees of its beginning, and each row what it was given."""

import engine.common.units
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("disbursements", "0001_signing_and_batches"),
        ("payouts", "0014_float_reserves"),
    ]
    operations = [
        migrations.AddField("batch", "fees", models.JSONField(default=list)),
        migrations.AddField(
            "batchrow",
            "currency",
            models.CharField(default="", max_length=3),
            preserve_default=False,
        ),
        migrations.AddField(
            "batchrow",
            "units",
            engine.common.units.UnitsField(default=0),
            preserve_default=False,
        ),
    ]
