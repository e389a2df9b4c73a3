-- Every trigger and constraint that protects the books is there and enabled.
WITH guards (kind, stands_on, name) AS (VALUES
    ('trigger', 'ledger_movement', 'movement_is_for_ever'),
    ('trigger', 'ledger_movement', 'movements_are_not_truncated'),
    ('constraint', 'ledger_movement', 'movement_reference_is_unique'),
    ('constraint', 'ledger_movement', 'movement_is_positive'),
    ('constraint', 'ledger_movement', 'movement_has_two_accounts'),
    ('constraint', 'ledger_movement', 'correction_comes_later'),
    ('constraint', 'ledger_movement', 'correction_names_a_movement'),
    ('constraint', 'ledger_movement',
     'movement_debits_an_account_of_its_asset_and_mode'),
    ('constraint', 'ledger_movement',
     'movement_credits_an_account_of_its_asset_and_mode'),
    ('constraint', 'ledger_account', 'account_is_unique'),
    ('constraint', 'ledger_account', 'account_has_one_asset_and_mode'),
    ('constraint', 'ledger_account', 'account_is_not_overdrawn'),
    ('constraint', 'ledger_account', 'only_hot_accounts_are_rolled_up'),
    ('constraint', 'units', 'units_are_whole'),
    ('constraint', 'units', 'units_have_at_most_39_digits')
),
standing (kind, stands_on, name) AS (
    SELECT 'trigger', tgrelid::regclass::text, tgname FROM pg_trigger
    WHERE tgenabled = 'A' AND tgfoid = to_regproc('ledger_refuse_change')
    UNION ALL
    SELECT 'constraint', CASE WHEN contypid = 0 THEN conrelid::regclass::text
                              ELSE contypid::regtype::text END, conname
    FROM pg_constraint WHERE convalidated
    -- A foreign key lives in triggers of its own, which can be switched off.
    AND NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgconstraint = pg_constraint.oid AND tgenabled = 'D')
)
SELECT kind, stands_on, name FROM guards
EXCEPT SELECT kind, stands_on, name FROM standing;
