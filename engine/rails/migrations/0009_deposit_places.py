"""A deposit key's place follows from its owner, out of 62 bits."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('rails', '0008_mobile_money'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='depositkey',
            name='deposit_key_is_not_hardened',
        ),
        migrations.AddConstraint(
            model_name='depositkey',
            constraint=models.CheckConstraint(condition=models.Q(('index__gte', 0), ('index__lte', 4611686018427387903)), name='deposit_key_is_not_hardened'),
        ),
    ]
