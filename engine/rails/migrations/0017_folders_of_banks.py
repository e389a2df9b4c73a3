"""The very folder that knows what a bank has, and transfers that leave a closed account.

A transfer's account may change as long as it is in no file: no bank has it from us then, or
a restored house learns from which account it was paid.
"""

from django.db import migrations, models

TRANSFERS = """
CREATE OR REPLACE FUNCTION rails_bank_transfer_only_happens() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.end_to_end_id, OLD.payout_id, OLD.leg, OLD.number,
        OLD.iban, OLD.units, OLD.currency, OLD.remittance, OLD.created_at)
       IS NOT DISTINCT FROM
       (NEW.id, NEW.end_to_end_id, NEW.payout_id, NEW.leg, NEW.number,
        NEW.iban, NEW.units, NEW.currency, NEW.remittance, NEW.created_at)
        AND (NEW.account_id = OLD.account_id{moves})
        AND (OLD.released_at IS NULL OR NEW.released_at = OLD.released_at)
        AND (OLD.file_id IS NULL OR NEW.file_id = OLD.file_id)
        AND (NEW.is_recalled OR NOT OLD.is_recalled)
        AND (OLD.seen_at IS NULL OR NEW.seen_at = OLD.seen_at)
        AND (OLD.returned_at IS NULL OR NEW.returned_at = OLD.returned_at)
        AND (OLD.told_at IS NULL OR NEW.told_at = OLD.told_at)
        AND (OLD.finished_at IS NULL
             OR (NEW.finished_at, NEW.failure_code) = (OLD.finished_at, OLD.failure_code)
             OR (OLD.told_at IS NULL AND OLD.failure_code = ''
                 AND NEW.told_at IS NULL AND NEW.failure_code <> ''))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'transfer % is for ever', OLD.end_to_end_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
"""
MOVES = " OR (OLD.file_id IS NULL AND NEW.file_id IS NULL AND OLD.finished_at IS NULL)"


class Migration(migrations.Migration):
    dependencies = [("rails", "0016_what_the_engine_was_told")]

    operations = [
        migrations.AddField(
            "bankaccount",
            "folder_id",
            models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(TRANSFERS.format(moves=MOVES), TRANSFERS.format(moves="")),
    ]
