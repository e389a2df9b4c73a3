"""Quotes may be executed many at once, by the rules of one: its parts have names now."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("payouts", "0020_bank_fees")]
    operations = [
        migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop)
        for name in ("execute.sql", "execute_many.sql", "guards.sql")
    ]
