"""An execute is told which rail serves which network, and chooses by the quote's own."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
DROP = """
DROP FUNCTION IF EXISTS
    payouts_execute(uuid, text, uuid, boolean, text, bytea, interval, text);
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0007_native_prices")]
    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "execute.sql").read_text(), migrations.RunSQL.noop),
    ]
