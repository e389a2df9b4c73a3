"""Tokens, payments, what was filled in, and what not even the tables' owner changes.

Triggers are ALWAYS, so that a replication role does not switch them off.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import engine.common.ids
import engine.common.units
import engine.partners.validation
from django.conf import settings
from django.db import migrations, models

GUARDS = """
CREATE FUNCTION payments_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %', replace(TG_NAME, '_', ' '), TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER final_payment_never_changes BEFORE UPDATE ON payments_payment
    FOR EACH ROW WHEN (OLD.status <> 'pending') EXECUTE FUNCTION payments_refuse_change();
-- Everything but how it stands: a column that is added is a term until somebody says not.
CREATE FUNCTION payments_terms(p payments_payment) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT to_jsonb(p) - ARRAY['status', 'failure_code', 'payout_id', 'expires_at',
                               'finished_at']
$$;
CREATE FUNCTION payments_keep_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF payments_terms(OLD) = payments_terms(NEW) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the terms of payment % are fixed', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
CREATE TRIGGER payment_terms_are_fixed BEFORE UPDATE ON payments_payment
    FOR EACH ROW EXECUTE FUNCTION payments_keep_terms();
CREATE TRIGGER payment_is_never_deleted BEFORE DELETE ON payments_payment
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_change();
CREATE TRIGGER payments_are_never_emptied BEFORE TRUNCATE ON payments_payment
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();
CREATE TRIGGER payment_payout_is_for_ever BEFORE UPDATE OR DELETE ON payments_paymentpayout
    FOR EACH ROW EXECUTE FUNCTION payments_refuse_change();
CREATE TRIGGER payment_payouts_are_never_emptied BEFORE TRUNCATE ON payments_paymentpayout
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

CREATE FUNCTION payments_use_session_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.used_at IS NULL AND to_jsonb(NEW) - 'used_at' = to_jsonb(OLD) - 'used_at' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'form session % is used once', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
CREATE TRIGGER form_session_is_used_once BEFORE UPDATE ON payments_formsession
    FOR EACH ROW EXECUTE FUNCTION payments_use_session_once();

ALTER TABLE payments_payment ENABLE ALWAYS TRIGGER final_payment_never_changes;
ALTER TABLE payments_payment ENABLE ALWAYS TRIGGER payment_terms_are_fixed;
ALTER TABLE payments_payment ENABLE ALWAYS TRIGGER payment_is_never_deleted;
ALTER TABLE payments_payment ENABLE ALWAYS TRIGGER payments_are_never_emptied;
ALTER TABLE payments_paymentpayout ENABLE ALWAYS TRIGGER payment_payout_is_for_ever;
ALTER TABLE payments_paymentpayout ENABLE ALWAYS TRIGGER payment_payouts_are_never_emptied;
ALTER TABLE payments_formsession ENABLE ALWAYS TRIGGER form_session_is_used_once;
"""
UNGUARDS = """
DROP TRIGGER form_session_is_used_once ON payments_formsession;
DROP TRIGGER payment_payouts_are_never_emptied ON payments_paymentpayout;
DROP TRIGGER payment_payout_is_for_ever ON payments_paymentpayout;
DROP TRIGGER payments_are_never_emptied ON payments_payment;
DROP TRIGGER payment_is_never_deleted ON payments_payment;
DROP TRIGGER payment_terms_are_fixed ON payments_payment;
DROP TRIGGER final_payment_never_changes ON payments_payment;
DROP FUNCTION payments_use_session_once();
DROP FUNCTION payments_keep_terms();
DROP FUNCTION payments_terms(payments_payment);
DROP FUNCTION payments_refuse_change();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('partners', '0005_webhook_scopes'),
        ('payouts', '0013_conversions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.UUIDField(default=engine.common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('code', models.CharField(editable=False, max_length=26)),
                ('livemode', models.BooleanField(verbose_name='live')),
                ('currency', models.CharField(max_length=3)),
                ('units', engine.common.units.UnitsField()),
                ('description', models.CharField(blank=True, max_length=255)),
                ('external_id', models.CharField(blank=True, max_length=255)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('redirect_url', models.CharField(blank=True, max_length=2048)),
                ('webhook_url', models.CharField(blank=True, max_length=2048)),
                ('customer_id', models.CharField(blank=True, max_length=255)),
                ('customer_name', models.CharField(blank=True, max_length=255)),
                ('fingerprint', models.BinaryField(max_length=32)),
                ('key', models.CharField(blank=True, max_length=255, null=True, verbose_name='idempotency key')),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('succeeded', 'Succeeded'), ('failed', 'Failed')], default='pending', max_length=10)),
                ('failure_code', models.CharField(blank=True, max_length=50)),
                ('available_account_id', models.BigIntegerField(unique=True)),
                ('held_account_id', models.BigIntegerField(unique=True)),
                ('payout_id', models.UUIDField(blank=True, null=True)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('partner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.partner')),
            ],
            options={
                'ordering': ('-created_at', '-id'),
                'permissions': [('expire_payment', 'Can expire payments now')],
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='FormSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(editable=False, max_length=26)),
                ('method', models.CharField(max_length=20)),
                ('sealed_details', models.BinaryField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('quote', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payouts.quote')),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='payments.payment')),
            ],
            options={
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='PaymentPayout',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('payout_id', models.UUIDField(unique=True)),
                ('payment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='payments.payment')),
                ('session', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='submitted', to='payments.formsession')),
            ],
            options={
                'ordering': ('payment', 'number'),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='Token',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('livemode', models.BooleanField(verbose_name='live')),
                ('name', models.CharField(help_text='Where it will be used.', max_length=100)),
                ('digest', models.BinaryField(max_length=32)),
                ('sealed_text', models.BinaryField()),
                ('prefix_shown', models.CharField(max_length=12)),
                ('last4', models.CharField(max_length=4)),
                ('may_pay_out', models.BooleanField(default=False, help_text='Make and read payments of type payout.', verbose_name='Payout')),
                ('may_fill_forms', models.BooleanField(default=False, help_text='Fill in the form of a payment by API.', verbose_name='Payout form')),
                ('cidrs', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50, validators=[engine.partners.validation.validate_network]), blank=True, default=list, size=None, verbose_name='networks')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('revoked_at', models.DateTimeField(blank=True, null=True, verbose_name='revoked')),
                ('last_used_at', models.DateTimeField(blank=True, null=True, verbose_name='last used')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('partner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to='partners.partner')),
            ],
            options={
                'ordering': ('-id',),
                'permissions': [('mint_token', 'Can mint tokens'), ('revoke_token', 'Can revoke tokens')],
                'default_permissions': ('view',),
            },
        ),
        migrations.AddField(
            model_name='payment',
            name='token',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.token'),
        ),
        migrations.AddConstraint(
            model_name='formsession',
            constraint=models.UniqueConstraint(fields=('code',), name='form_session_code_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='formsession',
            constraint=models.CheckConstraint(condition=models.Q(('code__regex', '^[0123456789abcdefghjkmnpqrstvwxyz]{26}$')), name='form_session_code_is_26_characters'),
        ),
        migrations.AddConstraint(
            model_name='paymentpayout',
            constraint=models.UniqueConstraint(fields=('payment', 'number'), name='payment_payout_is_numbered'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.UniqueConstraint(fields=('digest',), name='token_digest_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.Exact(django.db.models.functions.text.Length('digest'), 32), name='token_digest_is_32_bytes'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('livemode', True), ('prefix_shown', 'tk_live_')), models.Q(('livemode', False), ('prefix_shown', 'tk_test_')), _connector='OR'), name='token_prefix_says_its_mode'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='token_has_a_name'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['partner', 'livemode', '-created_at', '-id'], name='payment_newest'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['expires_at'], name='payment_is_open'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['partner', 'livemode', 'fingerprint'], name='payment_as_asked'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('code',), name='payment_code_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('code__regex', '^[0123456789abcdefghjkmnpqrstvwxyz]{26}$')), name='payment_code_is_26_characters'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('payout_id',), name='payout_is_of_one_payment'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('partner', 'livemode', 'key'), name='payment_key_is_used_once'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('partner', 'livemode', 'external_id'), name='payment_external_id_is_used_once'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(condition=models.Q(('key__isnull', True)), fields=('partner', 'livemode', 'fingerprint'), name='payment_without_key_is_made_once'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='payment_is_positive'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$')), name='payment_currency_is_iso_4217'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.Exact(django.db.models.functions.text.Length('fingerprint'), 32), name='payment_fingerprint_is_32_bytes'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='payment_lives_a_while'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'succeeded', 'failed'])), name='payment_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'pending'), ('finished_at__isnull', False), _connector='XOR'), name='payment_is_finished_when_final'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'failed'), ('failure_code', ''), _connector='XOR'), name='payment_failed_has_code'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'succeeded'), _negated=True), ('payout_id__isnull', False), _connector='OR'), name='payment_succeeds_by_a_payout'),
        ),
        migrations.RunSQL(GUARDS, UNGUARDS),
    ]
