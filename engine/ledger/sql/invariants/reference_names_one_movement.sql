-- No two movements have one reference.
SELECT reference, array_agg(id ORDER BY id) AS movement_ids FROM ledger_movement
GROUP BY reference HAVING count(*) > 1;
