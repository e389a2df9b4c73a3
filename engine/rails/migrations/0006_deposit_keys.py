"""Addresses get keys, and networks are searched for what arrives at them.

An index was taken from a sequence, until a restore from a backup was seen to take it back.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
import engine.common.units
from django.db import migrations, models

FORWARD = """
CREATE SEQUENCE rails_depositindex AS bigint MINVALUE 0 START WITH 0 MAXVALUE 2147483647;

-- Whose money arrives at an address is decided once.
CREATE FUNCTION rails_deposit_address_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'deposit address % is fixed', OLD.address
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER deposit_key_is_for_ever BEFORE UPDATE OR DELETE ON rails_depositkey
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER deposit_keys_are_never_emptied BEFORE TRUNCATE ON rails_depositkey
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER deposit_address_is_fixed BEFORE UPDATE ON rails_depositaddress
    FOR EACH ROW WHEN (
        (OLD.id, OLD.partner_id, OLD.livemode, OLD.end_user_id, OLD.asset, OLD.network,
         OLD.address, OLD.key_id, OLD.created_at)
        IS DISTINCT FROM
        (NEW.id, NEW.partner_id, NEW.livemode, NEW.end_user_id, NEW.asset, NEW.network,
         NEW.address, NEW.key_id, NEW.created_at)
        OR OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at
    ) EXECUTE FUNCTION rails_deposit_address_is_fixed();

ALTER TABLE rails_depositkey ENABLE ALWAYS TRIGGER deposit_key_is_for_ever;
ALTER TABLE rails_depositkey ENABLE ALWAYS TRIGGER deposit_keys_are_never_emptied;
ALTER TABLE rails_depositaddress ENABLE ALWAYS TRIGGER deposit_address_is_fixed;
"""

BACKWARD = """
DROP TRIGGER deposit_address_is_fixed ON rails_depositaddress;
DROP TRIGGER deposit_keys_are_never_emptied ON rails_depositkey;
DROP TRIGGER deposit_key_is_for_ever ON rails_depositkey;
DROP FUNCTION rails_deposit_address_is_fixed();
DROP SEQUENCE rails_depositindex;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('partners', '0005_webhook_scopes'),
        ('rails', '0005_first_tokens'),
    ]

    operations = [
        migrations.CreateModel(
            name='Arrival',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(max_length=16)),
                ('tx_hash', models.CharField(max_length=66)),
                ('log_index', models.PositiveIntegerField()),
                ('block_number', models.BigIntegerField()),
                ('block_hash', models.CharField(max_length=66)),
                ('asset', models.CharField(max_length=16)),
                ('units', engine.common.units.UnitsField()),
                ('sender', models.CharField(max_length=42)),
                ('state', models.CharField(choices=[('credited', 'credited to the user'), ('treasury', "credited to the partner's treasury"), ('review', 'in no account: needs a person')], max_length=8)),
                ('seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='DepositKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.BigIntegerField(unique=True)),
                ('account', models.CharField(max_length=8)),
                ('address', models.CharField(help_text='With its EIP-55 checksum', max_length=42, unique=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('-index',),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='DepositWatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(max_length=16, unique=True)),
                ('next_block', models.BigIntegerField()),
                ('last_hash', models.CharField(blank=True, max_length=66)),
                ('searched_at', models.DateTimeField(blank=True, null=True)),
                ('halted_at', models.DateTimeField(blank=True, null=True)),
                ('halted_why', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'verbose_name_plural': 'deposit watches',
                'ordering': ('network',),
                'default_permissions': ('view',),
            },
        ),
        migrations.RemoveConstraint(
            model_name='depositaddress',
            name='end_user_has_one_deposit_address',
        ),
        migrations.RemoveConstraint(
            model_name='depositaddress',
            name='partner_has_one_treasury_address',
        ),
        migrations.AddField(
            model_name='depositaddress',
            name='retired_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='depositkey',
            name='end_user',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.enduser'),
        ),
        migrations.AddField(
            model_name='depositkey',
            name='partner',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.partner'),
        ),
        migrations.AddField(
            model_name='arrival',
            name='key',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='arrivals', to='rails.depositkey'),
        ),
        migrations.AddField(
            model_name='depositaddress',
            name='key',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='addresses', to='rails.depositkey'),
        ),
        migrations.AddConstraint(
            model_name='depositaddress',
            constraint=models.UniqueConstraint(condition=models.Q(('end_user__isnull', False), ('retired_at__isnull', True)), fields=('end_user', 'asset', 'network'), name='end_user_has_one_deposit_address'),
        ),
        migrations.AddConstraint(
            model_name='depositaddress',
            constraint=models.UniqueConstraint(condition=models.Q(('end_user__isnull', True), ('retired_at__isnull', True)), fields=('partner', 'livemode', 'asset', 'network'), name='partner_has_one_treasury_address'),
        ),
        migrations.AddConstraint(
            model_name='depositaddress',
            constraint=models.CheckConstraint(condition=models.Q(('key__isnull', True), ('livemode', True), _connector='OR'), name='deposit_address_with_a_key_is_live'),
        ),
        migrations.AddConstraint(
            model_name='depositaddress',
            constraint=models.CheckConstraint(condition=models.Q(('retired_at__isnull', True), ('key__isnull', True), _connector='OR'), name='deposit_address_with_a_key_stands'),
        ),
        migrations.AddConstraint(
            model_name='depositwatch',
            constraint=models.CheckConstraint(condition=models.Q(('halted_at__isnull', True), models.Q(('halted_why', ''), _negated=True), _connector='XOR'), name='watch_halted_has_reason'),
        ),
        migrations.AddConstraint(
            model_name='depositwatch',
            constraint=models.CheckConstraint(condition=models.Q(('next_block__gte', 0)), name='watch_begins_at_a_block'),
        ),
        migrations.AddConstraint(
            model_name='depositkey',
            constraint=models.UniqueConstraint(condition=models.Q(('end_user__isnull', False)), fields=('end_user', 'account'), name='end_user_has_one_key_of_an_account'),
        ),
        migrations.AddConstraint(
            model_name='depositkey',
            constraint=models.UniqueConstraint(condition=models.Q(('end_user__isnull', True)), fields=('partner', 'account'), name='treasury_has_one_key_of_an_account'),
        ),
        migrations.AddConstraint(
            model_name='depositkey',
            constraint=models.CheckConstraint(condition=models.Q(('index__gte', 0), ('index__lte', 2147483647)), name='deposit_key_is_not_hardened'),
        ),
        migrations.AddConstraint(
            model_name='arrival',
            constraint=models.UniqueConstraint(fields=('network', 'tx_hash', 'log_index', 'block_hash'), name='arrival_is_kept_once'),
        ),
        migrations.AddConstraint(
            model_name='arrival',
            constraint=models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='arrival_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='arrival',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['credited', 'treasury', 'review'])), name='arrival_state_is_known'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
