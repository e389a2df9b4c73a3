-- In each asset and mode, all balances together are zero.
WITH tails (account_id, units) AS (
    SELECT hot.id, sum(side.units)
    FROM ledger_movement movement,
         LATERAL (VALUES (movement.debit_id, -movement.units),
                         (movement.credit_id, movement.units))
                 AS side (account_id, units)
    JOIN ledger_account hot ON hot.id = side.account_id AND hot.is_hot
    WHERE movement.id > hot.rolled_up_through
      AND movement.id > (
          SELECT min(rolled_up_through) FROM ledger_account WHERE is_hot)
    GROUP BY hot.id
),
balances (account_id, code, asset, livemode, may_go_negative, units) AS (
    SELECT account.id, account.code, account.asset, account.livemode,
           account.may_go_negative, account.balance + coalesce(tails.units, 0)
    FROM ledger_account account LEFT JOIN tails ON tails.account_id = account.id
)
SELECT asset, livemode, sum(units) AS sum FROM balances
GROUP BY asset, livemode HAVING sum(units) <> 0;
