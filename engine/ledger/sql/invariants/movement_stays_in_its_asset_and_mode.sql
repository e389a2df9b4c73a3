-- A movement and both of its accounts are of one asset and one mode.
SELECT movement.id AS movement_id, movement.reference,
       movement.asset, movement.livemode,
       debit.asset AS debit_asset, debit.livemode AS debit_livemode,
       credit.asset AS credit_asset, credit.livemode AS credit_livemode
FROM ledger_movement movement
LEFT JOIN ledger_account debit ON debit.id = movement.debit_id
LEFT JOIN ledger_account credit ON credit.id = movement.credit_id
WHERE (movement.asset, movement.livemode)
          IS DISTINCT FROM (debit.asset, debit.livemode)
   OR (movement.asset, movement.livemode)
          IS DISTINCT FROM (credit.asset, credit.livemode);
