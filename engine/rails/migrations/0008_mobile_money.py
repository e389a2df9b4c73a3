"""Mobile money: accounts with operators, and sends that are for ever.

A send's promise never changes; what happened to it may be noted. The keys of an account
are never rewritten, since a send is asked about with those it went out with: new ones are
a new row. ALWAYS, so that a replication role does not switch the triggers off.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import engine.common.units
from django.db import migrations, models

FORWARD = """
-- Only what happened may change, never what was promised, nor that it has ended.
CREATE FUNCTION rails_momo_send_only_happens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.finished_at IS NULL
        AND (OLD.id, OLD.reference, OLD.payout_id, OLD.leg, OLD.number, OLD.account_id,
             OLD.credentials_id, OLD.payee, OLD.units, OLD.currency, OLD.external_id,
             OLD.payer_message, OLD.payee_note, OLD.created_at)
            IS NOT DISTINCT FROM
            (NEW.id, NEW.reference, NEW.payout_id, NEW.leg, NEW.number, NEW.account_id,
             NEW.credentials_id, NEW.payee, NEW.units, NEW.currency, NEW.external_id,
             NEW.payer_message, NEW.payee_note, NEW.created_at)
        AND (OLD.seen_at IS NULL OR NEW.seen_at = OLD.seen_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'send % is for ever', OLD.reference
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER momo_send_only_happens BEFORE UPDATE ON rails_momosend
    FOR EACH ROW EXECUTE FUNCTION rails_momo_send_only_happens();
CREATE TRIGGER momo_send_is_never_deleted BEFORE DELETE ON rails_momosend
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER momo_sends_are_never_emptied BEFORE TRUNCATE ON rails_momosend
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER momo_credentials_are_for_ever BEFORE UPDATE OR DELETE ON rails_momocredentials
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER momo_credentials_are_never_emptied BEFORE TRUNCATE ON rails_momocredentials
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();

ALTER TABLE rails_momosend ENABLE ALWAYS TRIGGER momo_send_only_happens;
ALTER TABLE rails_momosend ENABLE ALWAYS TRIGGER momo_send_is_never_deleted;
ALTER TABLE rails_momosend ENABLE ALWAYS TRIGGER momo_sends_are_never_emptied;
ALTER TABLE rails_momocredentials ENABLE ALWAYS TRIGGER momo_credentials_are_for_ever;
ALTER TABLE rails_momocredentials ENABLE ALWAYS TRIGGER momo_credentials_are_never_emptied;
"""
# The tables go with their triggers.
BACKWARD = """
DROP TRIGGER momo_send_only_happens ON rails_momosend;
DROP FUNCTION rails_momo_send_only_happens();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('rails', '0007_house_crossings'),
    ]

    operations = [
        migrations.CreateModel(
            name='MomoAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True)),
                ('network', models.CharField(help_text='The gateway, such as mtn_momo', max_length=16)),
                ('country', models.CharField(help_text='ISO 3166, such as CM', max_length=2)),
                ('currency', models.CharField(help_text='ISO 4217, such as XAF', max_length=3)),
                ('livemode', models.BooleanField(default=True, verbose_name='live')),
                ('callback_url', models.URLField(blank=True)),
                ('callback_token', models.CharField(max_length=64, unique=True)),
                ('payee_note', models.CharField(default='Payout', max_length=160, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9 .-]{1,160}\\Z', 'Letters, digits, spaces, . and -')])),
                ('is_enabled', models.BooleanField(default=True)),
                ('balance_units', engine.common.units.UnitsField(blank=True, null=True)),
                ('balance_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('network', 'country', 'id'),
                'default_permissions': ('view', 'change'),
            },
        ),
        migrations.CreateModel(
            name='MomoCredentials',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('base_url', models.URLField()),
                ('target_environment', models.CharField(max_length=40)),
                ('api_user', models.CharField(max_length=100)),
                ('api_key_sealed', models.BinaryField()),
                ('subscription_key_sealed', models.BinaryField()),
                ('user_agent', models.CharField(max_length=100)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'momo credentials',
                'ordering': ('account', '-id'),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='MomoSend',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.UUIDField(unique=True)),
                ('payout_id', models.UUIDField()),
                ('leg', models.PositiveSmallIntegerField()),
                ('number', models.PositiveSmallIntegerField()),
                ('payee', models.CharField(help_text='E.164 without the plus', max_length=15)),
                ('units', engine.common.units.UnitsField()),
                ('currency', models.CharField(max_length=3)),
                ('external_id', models.CharField(max_length=36)),
                ('payer_message', models.CharField(max_length=160)),
                ('payee_note', models.CharField(max_length=160)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('posts', models.PositiveSmallIntegerField(default=0)),
                ('posted_at', models.DateTimeField(blank=True, null=True)),
                ('is_out', models.BooleanField(default=False)),
                ('refused', models.CharField(blank=True, max_length=200)),
                ('seen_at', models.DateTimeField(blank=True, null=True)),
                ('ask_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('misses', models.PositiveSmallIntegerField(default=0)),
                ('missed_at', models.DateTimeField(blank=True, null=True)),
                ('last_missed_at', models.DateTimeField(blank=True, null=True)),
                ('said', models.JSONField(blank=True, null=True)),
                ('needs_person', models.BooleanField(default=False)),
                ('failure_code', models.CharField(blank=True, max_length=50)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='OperatorHealth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(max_length=16)),
                ('country', models.CharField(max_length=2)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('asked', models.PositiveIntegerField(default=0)),
                ('failed', models.PositiveIntegerField(default=0)),
                ('down_at', models.DateTimeField(blank=True, null=True)),
                ('try_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': "operators' health",
                'ordering': ('network', 'country'),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='MomoPace',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='pace', serialize=False, to='rails.momoaccount')),
                ('free_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddConstraint(
            model_name='momoaccount',
            constraint=models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}$'), ('currency__regex', '^[A-Z]{3}$')), name='momo_account_has_codes'),
        ),
        migrations.AddConstraint(
            model_name='momoaccount',
            constraint=models.CheckConstraint(condition=models.Q(('callback_token', ''), _negated=True), name='momo_account_has_a_secret_path'),
        ),
        migrations.AddField(
            model_name='momocredentials',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credentials', to='rails.momoaccount'),
        ),
        migrations.AddField(
            model_name='momosend',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sends', to='rails.momoaccount'),
        ),
        migrations.AddField(
            model_name='momosend',
            name='credentials',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='rails.momocredentials'),
        ),
        migrations.AddConstraint(
            model_name='operatorhealth',
            constraint=models.UniqueConstraint(fields=('network', 'country'), name='operator_has_one_health'),
        ),
        migrations.AddConstraint(
            model_name='operatorhealth',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('down_at__isnull', True), ('try_at__isnull', True)), models.Q(('down_at__isnull', False), ('try_at__isnull', False)), _connector='OR'), name='operator_down_is_tried_again'),
        ),
        migrations.AddIndex(
            model_name='momosend',
            index=models.Index(fields=['account', 'posted_at'], name='momo_send_of_account'),
        ),
        migrations.AddIndex(
            model_name='momosend',
            index=models.Index(fields=['payout_id'], name='momo_send_of_payout'),
        ),
        migrations.AddConstraint(
            model_name='momosend',
            constraint=models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='momo_send_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='momosend',
            constraint=models.CheckConstraint(condition=models.Q(('payee__regex', '^[1-9][0-9]{5,14}$')), name='momo_payee_is_e164'),
        ),
        migrations.AddConstraint(
            model_name='momosend',
            constraint=models.CheckConstraint(condition=models.Q(('is_out', False), models.Q(('posted_at__isnull', False), ('posts__gt', 0)), _connector='OR'), name='momo_is_out_once_posted'),
        ),
        migrations.AddConstraint(
            model_name='momosend',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('last_missed_at__isnull', True), ('missed_at__isnull', True), ('misses', 0)), models.Q(('last_missed_at__isnull', False), ('missed_at__isnull', False), ('misses__gt', 0)), _connector='OR'), name='momo_misses_have_times'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
