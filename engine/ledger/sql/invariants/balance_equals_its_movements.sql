-- A synchronous account's balance is the sum of its movements.
WITH changes (movement_id, account_id, units) AS (
    SELECT movement.id, side.account_id, side.units
    FROM ledger_movement movement,
         LATERAL (VALUES (movement.debit_id, -movement.units),
                         (movement.credit_id, movement.units))
                 AS side (account_id, units)
)
SELECT account.id AS account_id, account.code, account.asset, account.livemode,
       account.balance, coalesce(sum(changes.units), 0) AS movements
FROM ledger_account account LEFT JOIN changes ON changes.account_id = account.id
WHERE NOT account.is_hot
GROUP BY account.id HAVING account.balance <> coalesce(sum(changes.units), 0);
