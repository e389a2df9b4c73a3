import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.utils.timezone
import engine.common.ids
import engine.partners.models
import engine.partners.validation
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FeeSchedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True)),
                ('fixed_usd_micros', models.PositiveBigIntegerField(help_text='1000000 is one dollar.', verbose_name='fixed part, micro-dollars')),
                ('basis_points', models.PositiveIntegerField(help_text='Hundredths of a percent of the amount: 25 is 0.25 %.')),
                ('as_of', models.DateTimeField(default=django.utils.timezone.now, help_text='Since when these prices hold.')),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('basis_points__lte', 10000)), name='fee_is_at_most_the_amount', violation_error_message='10000 basis points are all of the amount.')],
            },
        ),
        migrations.CreateModel(
            name='Partner',
            fields=[
                ('id', models.UUIDField(default=engine.common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='Recipients read this name.', max_length=100)),
                ('is_approved', models.BooleanField(default=False, help_text='Live keys answer 403 until then.', verbose_name='approved')),
                ('redirect_hosts', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=253, validators=[engine.partners.validation.validate_host]), blank=True, default=list, help_text='Where a recipient may be sent back to, one host name each: pay.example.com.', size=None)),
                ('frame_hosts', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=253, validators=[engine.partners.validation.validate_host]), blank=True, default=list, help_text='Which sites may show the tracking page inside theirs.', size=None)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('fee_schedule', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='partners', to='partners.feeschedule')),
            ],
            options={
                'ordering': ('name', 'id'),
            },
        ),
        migrations.CreateModel(
            name='EndUser',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('livemode', models.BooleanField(verbose_name='live')),
                ('external_ref', models.CharField(max_length=255)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('partner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='end_users', to='partners.partner')),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('livemode', models.BooleanField(verbose_name='live')),
                ('name', models.CharField(help_text='Where it will be used.', max_length=100)),
                ('digest', models.BinaryField(max_length=32)),
                ('prefix_shown', models.CharField(max_length=12)),
                ('last4', models.CharField(max_length=4)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('payouts:write', 'make quotes and payouts'), ('payouts:read', 'read payouts'), ('addresses:write', 'make deposit addresses'), ('addresses:read', 'read deposit addresses'), ('balances:read', 'read balances'), ('transactions:read', 'read deposits and payouts')], max_length=40), default=engine.partners.models.all_scopes, size=None)),
                ('cidrs', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50, validators=[engine.partners.validation.validate_network]), blank=True, default=list, size=None, verbose_name='networks')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('revoked_at', models.DateTimeField(blank=True, null=True, verbose_name='revoked')),
                ('last_used_at', models.DateTimeField(blank=True, null=True, verbose_name='last used')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('replaced_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaces', to='partners.apikey')),
                ('partner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='partners.partner')),
            ],
            options={
                'verbose_name': 'API key',
                'ordering': ('-id',),
                'permissions': [('mint_apikey', 'Can mint API keys'), ('rotate_apikey', 'Can rotate API keys'), ('revoke_apikey', 'Can revoke API keys')],
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='StoredAnswer',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('livemode', models.BooleanField(verbose_name='live')),
                ('key', models.CharField(max_length=255)),
                ('fingerprint', models.BinaryField(max_length=32)),
                ('status', models.SmallIntegerField()),
                ('body', models.BinaryField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('partner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.partner')),
            ],
            options={
                'default_permissions': ('view',),
            },
        ),
        migrations.AddConstraint(
            model_name='partner',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='partner_has_a_name', violation_error_message='The name has nothing in it to read.'),
        ),
        migrations.AddConstraint(
            model_name='enduser',
            constraint=models.UniqueConstraint(fields=('partner', 'livemode', 'external_ref'), name='end_user_is_seen_once'),
        ),
        migrations.AddConstraint(
            model_name='enduser',
            constraint=models.CheckConstraint(condition=models.Q(('external_ref', ''), _negated=True), name='end_user_has_a_reference'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(fields=('digest',), name='key_digest_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(fields=('replaced_by',), name='key_replaces_one'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.Exact(django.db.models.functions.text.Length('digest'), 32), name='key_digest_is_32_bytes'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('livemode', True), ('prefix_shown', 'sk_live_')), models.Q(('livemode', False), ('prefix_shown', 'sk_test_')), _connector='OR'), name='key_prefix_says_its_mode'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('scopes__contained_by', ('payouts:write', 'payouts:read', 'addresses:write', 'addresses:read', 'balances:read', 'transactions:read')), models.Q(('scopes', []), _negated=True)), name='key_scopes_are_known'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='key_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('replaced_by', models.F('id')), _negated=True), name='key_replaces_another'),
        ),
        migrations.AddIndex(
            model_name='storedanswer',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['created_at'], name='answer_by_age'),
        ),
        migrations.AddConstraint(
            model_name='storedanswer',
            constraint=models.UniqueConstraint(fields=('partner', 'livemode', 'key'), name='answer_is_stored_once'),
        ),
        migrations.AddConstraint(
            model_name='storedanswer',
            constraint=models.CheckConstraint(condition=models.Q(('status__gte', 200), ('status__lt', 500), models.Q(('status__in', [400, 401, 404, 429]), _negated=True)), name='answer_status_may_be_replayed'),
        ),
        migrations.AddConstraint(
            model_name='storedanswer',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.Exact(django.db.models.functions.text.Length('fingerprint'), 32), name='answer_fingerprint_is_32_bytes'),
        ),
    ]
