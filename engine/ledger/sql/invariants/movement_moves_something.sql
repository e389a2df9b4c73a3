-- A movement moves whole units, more than none, between two accounts.
SELECT id AS movement_id, reference, debit_id, credit_id, units
FROM ledger_movement
WHERE NOT (units > 0 AND units < 1e39 AND units = trunc(units))
   OR debit_id = credit_id;
