"""Batches of before batches were set aside go on, and say so where they cannot.

Rows that are paid are told what they took, which was the float's own money. What is left
of an open batch has no fees yet: the worker who takes it up next sets it aside, under the
locks that this takes, or writes down why she cannot.
"""

from django.db import migrations, models

# Those with a currency were paid by whoever set aside first.
FROM_RESERVE = "UPDATE disbursements_batchrow SET is_from_reserve = true WHERE currency <> ''"
FILL = """
WITH told AS (
    SELECT b.id AS batch_id, (one ->> 'line')::integer AS line, one ->> 'currency' AS currency
    FROM disbursements_batch b
    JOIN disbursements_payoutfile f ON f.id = b.file_id
    CROSS JOIN LATERAL jsonb_array_elements(f.rows) AS one
    WHERE EXISTS (
        SELECT FROM disbursements_batchrow w WHERE w.batch_id = b.id AND w.currency = ''
    )
)
UPDATE disbursements_batchrow w
SET currency = told.currency,
    units = coalesce(
        (SELECT p.units_sent FROM payouts_payout p WHERE p.id = w.payout_id), 0
    )
FROM told
WHERE told.batch_id = w.batch_id AND told.line = w.line AND w.currency = ''
"""


class Migration(migrations.Migration):
    dependencies = [
        ("disbursements", "0002_reserved_batches"),
        ("payouts", "0031_reserves_are_for_ever"),
    ]
    operations = [
        migrations.AddField(
            "batch", "waits_for", models.CharField(blank=True, default="", max_length=300)
        ),
        migrations.AddField("batchrow", "is_from_reserve", models.BooleanField(default=False)),
        migrations.AlterModelOptions(
            "batch",
            options={
                "default_permissions": ("view",),
                "ordering": ("-created_at",),
                "permissions": [("give_up_batch", "Can give up the rest of batches")],
                "verbose_name_plural": "batches",
            },
        ),
        # Backwards the words stay: they are true.
        migrations.RunSQL(FROM_RESERVE, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
