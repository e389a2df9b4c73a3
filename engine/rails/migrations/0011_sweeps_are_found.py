"""Sweeps are found by index, however much was ever sent."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('rails', '0010_gas_of_signatures'),
    ]

    operations = [
        migrations.AddField(
            model_name='slot',
            name='booked_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='slot',
            index=models.Index(condition=models.Q(('booked_at__isnull', True), ('closed_at__isnull', False), ('kind__in', ['gas', 'consolidation'])), fields=['wallet'], name='slot_is_unbooked'),
        ),
        migrations.AddIndex(
            model_name='slot',
            index=models.Index(condition=models.Q(('kind', 'gas')), fields=['destination'], name='slot_brought_gas'),
        ),
    ]
