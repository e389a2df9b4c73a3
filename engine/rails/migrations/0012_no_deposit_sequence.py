"""No sequence gives out deposit addresses any more: they are drawn from their owners."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('rails', '0011_sweeps_are_found'),
    ]

    operations = [
        migrations.RunSQL(
            'DROP SEQUENCE rails_depositindex',
            'CREATE SEQUENCE rails_depositindex AS bigint MINVALUE 0 START WITH 0 MAXVALUE 2147483647',
        ),
    ]
