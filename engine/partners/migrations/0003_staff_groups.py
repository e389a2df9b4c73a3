"""The groups of staff. engine.partners.groups gives them their permissions."""

from __future__ import annotations

from django.db import migrations

GROUPS = ("viewer", "operator", "key admin")


def add_groups(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in GROUPS:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0002_standard_fees"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    # Backwards the groups stay: staff may be in them.
    operations = [migrations.RunPython(add_groups, migrations.RunPython.noop)]
