"""What of a transfer cannot be taken back, since the engine was told, or the bank has it twice.

Until the engine was told that a transfer arrived, a return makes it fail; from then on its
end is for ever, as every other end is. What had arrived before there was this column counts
as told.
"""

from django.db import migrations, models

TRANSFERS = """
CREATE OR REPLACE FUNCTION rails_bank_transfer_only_happens() RETURNS trigger
LANGUAGE plpgsql AS $$
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
        {told}
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'transfer % is for ever', OLD.end_to_end_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
"""
FILES = """
CREATE OR REPLACE FUNCTION rails_bank_file_only_happens() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.message_id, OLD.account_id, OLD.content_sealed, OLD.digest,
        OLD.transfers, OLD.units, OLD.executes_on, OLD.created_at)
       IS NOT DISTINCT FROM
       (NEW.id, NEW.message_id, NEW.account_id, NEW.content_sealed, NEW.digest,
        NEW.transfers, NEW.units, NEW.executes_on, NEW.created_at)
        AND (OLD.placed_in IS NULL OR NEW.placed_in = OLD.placed_in)
        AND (OLD.handed_at IS NULL
             OR (NEW.handed_at, NEW.handed_by) = (OLD.handed_at, OLD.handed_by))
        {again}
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'file % is for ever', OLD.message_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
"""
ENDED = """AND (OLD.finished_at IS NULL
             OR (NEW.finished_at, NEW.failure_code) = (OLD.finished_at, OLD.failure_code))"""
TOLD = """AND (OLD.told_at IS NULL OR NEW.told_at = OLD.told_at)
        AND (OLD.finished_at IS NULL
             OR (NEW.finished_at, NEW.failure_code) = (OLD.finished_at, OLD.failure_code)
             OR (OLD.told_at IS NULL AND OLD.failure_code = ''
                 AND NEW.told_at IS NULL AND NEW.failure_code <> ''))"""
AGAIN = "AND (OLD.given_again_at IS NULL OR NEW.given_again_at = OLD.given_again_at)"
ARRIVED_BEFORE = """
UPDATE rails_banktransfer SET told_at = finished_at
WHERE finished_at IS NOT NULL AND failure_code = '';
UPDATE rails_banktransfer SET why = 'the bank paid another account'
WHERE why = 'the bank paid another account, or does not say which';
"""


class Migration(migrations.Migration):
    dependencies = [("rails", "0015_how_operators_do")]

    operations = [
        migrations.AddField(
            "bankfile", "given_again_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            "banktransfer", "told_at", models.DateTimeField(blank=True, null=True)
        ),
        migrations.RunSQL(ARRIVED_BEFORE, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "banktransfer",
            models.CheckConstraint(
                condition=models.Q(told_at__isnull=True)
                | models.Q(finished_at__isnull=False, failure_code=""),
                name="bank_engine_is_told_of_arrivals",
            ),
        ),
        migrations.RunSQL(TRANSFERS.format(told=TOLD), TRANSFERS.format(told=ENDED)),
        migrations.RunSQL(FILES.format(again=AGAIN), FILES.format(again="")),
    ]
