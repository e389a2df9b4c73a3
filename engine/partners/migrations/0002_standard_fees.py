"""The prices a new partner starts with: 0.10 USD plus 25 basis points."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import migrations


def add_standard(apps, schema_editor):
    apps.get_model("partners", "FeeSchedule").objects.get_or_create(
        name="standard",
        defaults={
            "fixed_usd_micros": 100_000,
            "basis_points": 25,
            "as_of": datetime(2026, 1, 1, tzinfo=UTC),
        },
    )


class Migration(migrations.Migration):
    dependencies = [("partners", "0001_partners")]
    # Backwards the row stays: partners may be charged by it.
    operations = [migrations.RunPython(add_standard, migrations.RunPython.noop)]
