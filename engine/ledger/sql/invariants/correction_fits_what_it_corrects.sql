-- A correction names an earlier movement of its own asset and mode.
SELECT correction.id AS movement_id, correction.reference, correction.corrects_id
FROM ledger_movement correction
LEFT JOIN ledger_movement wrong ON wrong.id = correction.corrects_id
                               AND wrong.id < correction.id
                               AND wrong.asset = correction.asset
                               AND wrong.livemode = correction.livemode
WHERE correction.corrects_id IS NOT NULL AND wrong.id IS NULL;
