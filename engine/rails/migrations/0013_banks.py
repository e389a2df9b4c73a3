"""Bank transfers: accounts, what they were asked to pay, and files that are for ever.

A promise never changes; what happened to it may be noted, each once. A file is whole from
the moment it exists: its transfers are as many, and as much, as it says, and nobody adds
one later. ALWAYS, so that a replication role does not switch the triggers off.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import engine.common.units
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION rails_bank_transfer_only_happens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.end_to_end_id, OLD.payout_id, OLD.leg, OLD.number, OLD.account_id,
        OLD.iban, OLD.units, OLD.currency, OLD.remittance, OLD.created_at)
       IS NOT DISTINCT FROM
       (NEW.id, NEW.end_to_end_id, NEW.payout_id, NEW.leg, NEW.number, NEW.account_id,
        NEW.iban, NEW.units, NEW.currency, NEW.remittance, NEW.created_at)
        AND (OLD.released_at IS NULL OR NEW.released_at = OLD.released_at)
        AND (OLD.file_id IS NULL OR NEW.file_id = OLD.file_id)
        AND (NEW.is_recalled OR NOT OLD.is_recalled)
        AND (OLD.seen_at IS NULL OR NEW.seen_at = OLD.seen_at)
        AND (OLD.returned_at IS NULL OR NEW.returned_at = OLD.returned_at)
        AND (OLD.finished_at IS NULL
             OR (NEW.finished_at, NEW.failure_code) = (OLD.finished_at, OLD.failure_code))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'transfer % is for ever', OLD.end_to_end_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE FUNCTION rails_bank_file_only_happens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.message_id, OLD.account_id, OLD.content_sealed, OLD.digest,
        OLD.transfers, OLD.units, OLD.executes_on, OLD.created_at)
       IS NOT DISTINCT FROM
       (NEW.id, NEW.message_id, NEW.account_id, NEW.content_sealed, NEW.digest,
        NEW.transfers, NEW.units, NEW.executes_on, NEW.created_at)
        AND (OLD.placed_in IS NULL OR NEW.placed_in = OLD.placed_in)
        AND (OLD.handed_at IS NULL
             OR (NEW.handed_at, NEW.handed_by) = (OLD.handed_at, OLD.handed_by))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'file % is for ever', OLD.message_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE FUNCTION rails_bank_account_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.name, OLD.iban, OLD.livemode)
       IS NOT DISTINCT FROM (NEW.id, NEW.name, NEW.iban, NEW.livemode) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'account % keeps its name, its IBAN and its mode', OLD.name
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

-- What a file says of itself, and the transfers that are in it, are the same thing.
CREATE FUNCTION rails_bank_file_must_be_whole(p_file bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    f rails_bankfile;
    v_transfers bigint;
    v_units numeric;
    v_strays bigint;
BEGIN
    SELECT * INTO f FROM rails_bankfile WHERE id = p_file;
    SELECT count(*), coalesce(sum(units), 0), count(*) FILTER (WHERE account_id <> f.account_id)
    INTO v_transfers, v_units, v_strays
    FROM rails_banktransfer WHERE file_id = p_file;
    IF (v_transfers, v_units, v_strays) IS DISTINCT FROM (f.transfers::bigint, f.units::numeric, 0::bigint)
    THEN
        RAISE EXCEPTION 'file % says % transfers of % and holds % of %',
            f.message_id, f.transfers, f.units, v_transfers, v_units
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'bank_file_is_whole';
    END IF;
END $$;

CREATE FUNCTION rails_bank_file_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rails_bank_file_must_be_whole(NEW.id);
    RETURN NULL;
END $$;

CREATE FUNCTION rails_bank_files_stay_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE v_file bigint;
BEGIN
    FOR v_file IN
        SELECT DISTINCT n.file_id FROM now_is n JOIN was w ON w.id = n.id
        WHERE n.file_id IS DISTINCT FROM w.file_id
    LOOP
        PERFORM rails_bank_file_must_be_whole(v_file);
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION rails_bank_transfer_begins_outside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'transfer % is put into a file only once it is let out', NEW.end_to_end_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER bank_transfer_only_happens BEFORE UPDATE ON rails_banktransfer
    FOR EACH ROW EXECUTE FUNCTION rails_bank_transfer_only_happens();
CREATE TRIGGER bank_transfer_begins_outside BEFORE INSERT ON rails_banktransfer
    FOR EACH ROW WHEN (NEW.file_id IS NOT NULL)
    EXECUTE FUNCTION rails_bank_transfer_begins_outside();
CREATE TRIGGER bank_files_stay_whole AFTER UPDATE ON rails_banktransfer
    REFERENCING OLD TABLE AS was NEW TABLE AS now_is
    FOR EACH STATEMENT EXECUTE FUNCTION rails_bank_files_stay_whole();
CREATE TRIGGER bank_file_only_happens BEFORE UPDATE ON rails_bankfile
    FOR EACH ROW EXECUTE FUNCTION rails_bank_file_only_happens();
CREATE CONSTRAINT TRIGGER bank_file_is_whole AFTER INSERT ON rails_bankfile
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION rails_bank_file_is_whole();
CREATE TRIGGER bank_account_stays BEFORE UPDATE ON rails_bankaccount
    FOR EACH ROW EXECUTE FUNCTION rails_bank_account_stays();

ALTER TABLE rails_banktransfer ENABLE ALWAYS TRIGGER bank_transfer_only_happens;
ALTER TABLE rails_banktransfer ENABLE ALWAYS TRIGGER bank_transfer_begins_outside;
ALTER TABLE rails_banktransfer ENABLE ALWAYS TRIGGER bank_files_stay_whole;
ALTER TABLE rails_bankfile ENABLE ALWAYS TRIGGER bank_file_only_happens;
ALTER TABLE rails_bankfile ENABLE ALWAYS TRIGGER bank_file_is_whole;
ALTER TABLE rails_bankaccount ENABLE ALWAYS TRIGGER bank_account_stays;
"""
NEVER = """
CREATE TRIGGER {name}_is_never_deleted BEFORE DELETE ON rails_{table}
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER {name}s_are_never_emptied BEFORE TRUNCATE ON rails_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
ALTER TABLE rails_{table} ENABLE ALWAYS TRIGGER {name}_is_never_deleted;
ALTER TABLE rails_{table} ENABLE ALWAYS TRIGGER {name}s_are_never_emptied;
"""
FOR_EVER = """
CREATE TRIGGER {name}_is_for_ever BEFORE UPDATE ON rails_{table}
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
ALTER TABLE rails_{table} ENABLE ALWAYS TRIGGER {name}_is_for_ever;
"""
KEPT = {
    "bank_transfer": "banktransfer",
    "bank_file": "bankfile",
    "bank_payee": "bankpayee",
    "bank_statement": "bankstatement",
}
for _name, _table in KEPT.items():
    FORWARD += NEVER.format(name=_name, table=_table)
for _name in ("bank_payee", "bank_statement"):
    FORWARD += FOR_EVER.format(name=_name, table=KEPT[_name])
# The tables go with the rest of their triggers.
BACKWARD = """
DROP TRIGGER bank_transfer_only_happens ON rails_banktransfer;
DROP TRIGGER bank_transfer_begins_outside ON rails_banktransfer;
DROP TRIGGER bank_files_stay_whole ON rails_banktransfer;
DROP TRIGGER bank_file_only_happens ON rails_bankfile;
DROP TRIGGER bank_file_is_whole ON rails_bankfile;
DROP TRIGGER bank_account_stays ON rails_bankaccount;
DROP FUNCTION rails_bank_transfer_only_happens();
DROP FUNCTION rails_bank_transfer_begins_outside();
DROP FUNCTION rails_bank_files_stay_whole();
DROP FUNCTION rails_bank_file_only_happens();
DROP FUNCTION rails_bank_file_is_whole();
DROP FUNCTION rails_bank_file_must_be_whole(bigint);
DROP FUNCTION rails_bank_account_stays();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('rails', '0012_no_deposit_sequence'),
    ]

    operations = [
        migrations.CreateModel(
            name='BankPayee',
            fields=[
                ('payout_id', models.UUIDField(primary_key=True, serialize=False)),
                ('name_sealed', models.BinaryField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='BankAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True, validators=[django.core.validators.RegexValidator('\\A[a-z0-9][a-z0-9-]{0,39}\\Z', 'Small letters, digits and hyphens')])),
                ('holder', models.CharField(max_length=70, validators=[django.core.validators.RegexValidator("\\A[A-Za-z0-9?:().,'+ -]+\\Z", "Latin letters without accents, digits, spaces, ?:().,'+-")])),
                ('iban', models.CharField(max_length=34, verbose_name='IBAN')),
                ('bic', models.CharField(max_length=11, verbose_name='BIC')),
                ('livemode', models.BooleanField(default=True, verbose_name='live')),
                ('is_enabled', models.BooleanField(default=True)),
                ('delivery', models.CharField(choices=[('download', 'a person downloads each and uploads it at the bank'), ('folder', 'each is put into a folder that another program empties')], default='download', max_length=8)),
                ('batch_seconds', models.PositiveIntegerField(default=900, help_text='How long the first transfer of a file waits for others')),
                ('cut_off', models.TimeField(blank=True, help_text='UTC; later files are for the next working day', null=True)),
                ('silent_hours', models.PositiveIntegerField(default=72, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(720)])),
                ('books_singly', models.BooleanField(default=True, help_text='Ask for a line in the statement for each transfer; needed to settle them where the bank lists no details of a sum')),
                ('settles_on_acsc', models.BooleanField(default=False, help_text='Believe ACSC in a pain.002; otherwise only a booked entry of a statement', verbose_name='a status report settles')),
                ('remittance', models.CharField(default='Payout', max_length=60, validators=[django.core.validators.RegexValidator("\\A[A-Za-z0-9?:().,'+ -]+\\Z", "Latin letters without accents, digits, spaces, ?:().,'+-")])),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('name',),
                'default_permissions': ('view', 'add', 'change'),
                'constraints': [models.CheckConstraint(condition=models.Q(('iban__regex', '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'), ('bic__regex', '^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$')), name='bank_account_has_iban_and_bic'), models.CheckConstraint(condition=models.Q(('delivery__in', ['download', 'folder'])), name='bank_delivery_is_known'), models.CheckConstraint(condition=models.Q(('name__regex', '^[a-z0-9][a-z0-9-]{0,39}$')), name='bank_account_name_is_a_folder'), models.CheckConstraint(condition=models.Q(('silent_hours__gte', 1), ('silent_hours__lte', 720)), name='bank_silence_has_an_end'), models.UniqueConstraint(condition=models.Q(('is_enabled', True)), fields=('iban', 'livemode'), name='bank_account_is_enabled_once')],
            },
        ),
        migrations.CreateModel(
            name='BankFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message_id', models.CharField(max_length=35, unique=True)),
                ('content_sealed', models.BinaryField()),
                ('digest', models.BinaryField(max_length=32)),
                ('transfers', models.PositiveIntegerField()),
                ('units', engine.common.units.UnitsField()),
                ('executes_on', models.DateField()),
                ('created_at', models.DateTimeField()),
                ('placed_in', models.UUIDField(blank=True, null=True)),
                ('handed_at', models.DateTimeField(blank=True, null=True)),
                ('handed_by', models.CharField(blank=True, max_length=150)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='files', to='rails.bankaccount')),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view', 'hand_over'),
            },
        ),
        migrations.CreateModel(
            name='BankStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('kind', models.CharField(help_text='Such as camt.053.001.08', max_length=20)),
                ('message_id', models.CharField(max_length=35)),
                ('file_name', models.CharField(blank=True, max_length=200)),
                ('lines', models.JSONField(default=list)),
                ('changed', models.PositiveIntegerField()),
                ('strangers', models.PositiveIntegerField()),
                ('read_by', models.CharField(max_length=150)),
                ('read_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view', 'add'),
                'constraints': [models.CheckConstraint(condition=models.Q(('read_by', ''), _negated=True), name='bank_statement_is_read_by_somebody')],
            },
        ),
        migrations.CreateModel(
            name='BankTransfer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('end_to_end_id', models.CharField(max_length=35, unique=True)),
                ('payout_id', models.UUIDField()),
                ('leg', models.PositiveSmallIntegerField()),
                ('number', models.PositiveSmallIntegerField()),
                ('iban', models.CharField(max_length=34, verbose_name='IBAN')),
                ('units', engine.common.units.UnitsField()),
                ('currency', models.CharField(max_length=3)),
                ('remittance', models.CharField(max_length=140)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('released_at', models.DateTimeField(blank=True, null=True)),
                ('is_recalled', models.BooleanField(default=False)),
                ('seen_at', models.DateTimeField(blank=True, null=True)),
                ('heard_at', models.DateTimeField(blank=True, null=True)),
                ('said', models.JSONField(blank=True, null=True)),
                ('why', models.CharField(blank=True, max_length=60)),
                ('failure_code', models.CharField(blank=True, max_length=50)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('returned_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='rails.bankaccount')),
                ('file', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='rails.bankfile')),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
            },
        ),
        migrations.AddIndex(
            model_name='bankfile',
            index=models.Index(condition=models.Q(('handed_at__isnull', True)), fields=['account'], name='bank_file_waits'),
        ),
        migrations.AddConstraint(
            model_name='bankfile',
            constraint=models.CheckConstraint(condition=models.Q(('message_id__regex', '^ZP[A-Z2-7]{26}$'), ('transfers__gt', 0), ('units__gt', 0)), name='bank_file_pays_something'),
        ),
        migrations.AddConstraint(
            model_name='bankfile',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('handed_at__isnull', True), ('handed_by', '')), models.Q(('handed_at__isnull', False), models.Q(('handed_by', ''), _negated=True)), _connector='OR'), name='bank_file_is_handed_over_by_somebody'),
        ),
        migrations.AddIndex(
            model_name='banktransfer',
            index=models.Index(fields=['payout_id'], name='bank_transfer_of_payout'),
        ),
        migrations.AddIndex(
            model_name='banktransfer',
            index=models.Index(condition=models.Q(('file__isnull', True), ('is_recalled', False), ('released_at__isnull', False)), fields=['account', 'id'], name='bank_transfer_waits_for_file'),
        ),
        migrations.AddConstraint(
            model_name='banktransfer',
            constraint=models.UniqueConstraint(fields=('payout_id', 'leg', 'number'), name='bank_attempt_is_one_transfer'),
        ),
        migrations.AddConstraint(
            model_name='banktransfer',
            constraint=models.CheckConstraint(condition=models.Q(('currency', 'EUR'), ('end_to_end_id__regex', '^ZP[A-Z2-7]{26}$'), ('units__gt', 0), ('iban__regex', '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$')), name='bank_transfer_pays_euros_to_an_iban'),
        ),
        migrations.AddConstraint(
            model_name='banktransfer',
            constraint=models.CheckConstraint(condition=models.Q(('file__isnull', True), models.Q(('is_recalled', False), ('released_at__isnull', False)), _connector='OR'), name='bank_file_holds_what_was_let_out'),
        ),
        migrations.AddConstraint(
            model_name='banktransfer',
            constraint=models.CheckConstraint(condition=models.Q(('finished_at__isnull', False), ('failure_code', ''), _connector='OR'), name='bank_failure_is_an_end'),
        ),
        migrations.AddConstraint(
            model_name='banktransfer',
            constraint=models.CheckConstraint(condition=models.Q(('returned_at__isnull', True), models.Q(('failure_code', ''), ('finished_at__isnull', False)), _connector='OR'), name='bank_return_follows_arrival'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
