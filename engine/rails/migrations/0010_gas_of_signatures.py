"""A later signature may allow more gas; and what left since a balance is found by index."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('rails', '0009_deposit_places'),
    ]

    operations = [
        migrations.AddField(
            model_name='hotwallet',
            name='gas_block',
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='signedtransaction',
            name='gas_limit',
            field=models.BigIntegerField(db_default=0, help_text="0 is the slot's own"),
        ),
        migrations.AddIndex(
            model_name='slot',
            index=models.Index(condition=models.Q(('mined_block__isnull', False)), fields=['wallet', 'asset', 'mined_block'], name='slot_left_since'),
        ),
    ]
