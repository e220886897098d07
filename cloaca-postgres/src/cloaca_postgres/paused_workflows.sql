-- Statements about paused workflows that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * lock_paused_workflows: a lock on another row, since that of the workflow may not be there.


-- name: lock_paused_workflows
-- Let one of the transactions that pause or resume workflows go on. The row is one that is always
-- there and that no other transaction locks.
SELECT number FROM cloaca_migration WHERE number = 1 FOR NO KEY UPDATE;
