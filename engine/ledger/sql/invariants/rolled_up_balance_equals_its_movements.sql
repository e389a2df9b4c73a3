-- A hot account's balance is the sum of the movements it says it contains.
WITH changes (movement_id, account_id, units) AS (
    SELECT movement.id, side.account_id, side.units
    FROM ledger_movement movement,
         LATERAL (VALUES (movement.debit_id, -movement.units),
                         (movement.credit_id, movement.units))
                 AS side (account_id, units)
)
SELECT hot.id AS account_id, hot.code, hot.asset, hot.livemode,
       hot.rolled_up_through, hot.balance, coalesce(sum(changes.units), 0) AS movements
FROM ledger_account hot
LEFT JOIN changes ON changes.account_id = hot.id
                 AND changes.movement_id <= hot.rolled_up_through
WHERE hot.is_hot
GROUP BY hot.id HAVING hot.balance <> coalesce(sum(changes.units), 0);
