"""What tells a restored database from the one that sent the payouts, and what differs."""

import django.db.models.functions.datetime
from django.db import migrations, models

import engine.common.ids


class Migration(migrations.Migration):

    dependencies = [
        ('payouts', '0004_what_it_waits_for'),
    ]

    operations = [
        migrations.CreateModel(
            name='Reconciliation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('matched', models.IntegerField(default=0)),
                ('recreated', models.IntegerField(default=0)),
                ('seen_outside', models.IntegerField(default=0)),
                ('open_breaks', models.IntegerField(default=0)),
                ('read_to', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='Break',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('balance_short', "the user's balance does not cover a send that was made"), ('partner_unknown', 'a send was made for a partner nobody knows'), ('terms_differ', 'the books know the payout with other terms'), ('ended_otherwise', 'the books ended the payout, yet it was sent'), ('cannot_recall', 'the send cannot be brought back into the books'), ('journal_torn', 'a line of a journal cannot be read'), ('stranger', 'a wallet of ours sent something that the books do not know'), ('not_on_chain', 'a payout counts as delivered, and the chain shows no transfer'), ('custody', 'what is held outside differs from the books'), ('outside_away', 'the outside could not be asked')], max_length=20)),
                ('what', models.CharField(max_length=200)),
                ('detail', models.JSONField(default=dict)),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('owner', models.CharField(blank=True, max_length=150)),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('resolution', models.CharField(blank=True, max_length=500)),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('resolved_at__isnull', True)), fields=('kind', 'what'), name='break_is_open_once'), models.CheckConstraint(condition=models.Q(('resolved_at__isnull', True), models.Q(('resolution', ''), _negated=True), _connector='XOR'), name='resolved_break_says_how'), models.CheckConstraint(condition=models.Q(('kind__in', ['balance_short', 'partner_unknown', 'terms_differ', 'ended_otherwise', 'cannot_recall', 'journal_torn', 'stranger', 'not_on_chain', 'custody', 'outside_away'])), name='break_kind_is_known')],
            },
        ),
        migrations.CreateModel(
            name='Fence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('why', models.CharField(max_length=300)),
                ('put_up_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('is_up', models.BooleanField(default=True)),
                ('taken_down_at', models.DateTimeField(blank=True, null=True)),
                ('taken_down_by', models.CharField(blank=True, max_length=150)),
                ('seconded_by', models.CharField(blank=True, max_length=150)),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_up', True)), fields=('is_up',), name='one_fence_is_up'), models.CheckConstraint(condition=models.Q(models.Q(('is_up', True), ('taken_down_at__isnull', True)), models.Q(('is_up', False), ('taken_down_at__isnull', False), models.Q(('taken_down_by', ''), _negated=True), models.Q(('seconded_by', ''), _negated=True), models.Q(('taken_down_by', models.F('seconded_by')), _negated=True)), _connector='OR'), name='fence_comes_down_by_two_people')],
            },
        ),
        migrations.CreateModel(
            name='Journal',
            fields=[
                ('id', models.UUIDField(default=engine.common.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('host', models.CharField(help_text='Where its files are', max_length=200)),
                ('position', models.BigIntegerField(default=0)),
                ('is_lost', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('id',),
                'default_permissions': ('view',),
                'constraints': [models.CheckConstraint(condition=models.Q(('position__gte', 0)), name='journal_counts_from_zero')],
            },
        ),
    ]
