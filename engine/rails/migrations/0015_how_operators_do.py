"""How an operator does and why, which sends were called back about, and who may connect."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rails", "0014_lost_bank_files")]
    operations = [
        migrations.AlterModelOptions(
            name="momoaccount",
            options={
                "default_permissions": ("view", "add", "change"),
                "ordering": ("network", "country", "id"),
            },
        ),
        migrations.AddField(
            "momosend", "hinted_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField("operatorhealth", "answered", models.PositiveIntegerField(default=0)),
        migrations.AddField("operatorhealth", "answer_seconds", models.FloatField(default=0.0)),
        migrations.AddField(
            "operatorhealth", "why", models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
    ]
