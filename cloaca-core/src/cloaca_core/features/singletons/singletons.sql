-- Runs with a singleton key. Read the head of store/sql/runs.sql first.
--
-- The runs of a (workflow, key) that have not ended stand in a row, by created_at and id; each waits
-- behind the run before it, by the rule of start_next. Every transaction that inserts, ends or begins
-- again runs of a key first takes its turn, so what it finds of the row stays until it ends.


-- name: lock_singletons
-- Take turns at these keys, pairs of a workflow and a key. Where one transaction writes at a time
-- there is nothing to wait for.
SELECT wanted.value FROM :ids AS wanted;


-- name: lock_singletons_of
-- Take turns at the keys of these runs.
SELECT id FROM cloaca_run WHERE id IN :ids AND singleton_key IS NOT NULL;


-- name: lock_singletons_of_owned
-- Take turns at the keys of runs that this runner gives up and that are being cancelled.
SELECT id FROM cloaca_run
WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NOT NULL AND singleton_key IS NOT NULL;


-- name: share_key
-- Keep programs' own transactions off an idempotency key until this one ends. There is no row if one of
-- them says that it is writing the key. Where one transaction writes at a time there are none.
SELECT 1 WHERE CAST(:workflow AS TEXT) IS NOT NULL AND CAST(:idempotency_key AS TEXT) IS NOT NULL;


-- name: last_under_way
-- Find the last run of a key that has not ended, and whether there is such a run beside :ids.
SELECT run.id, run.created_at, EXISTS (
    SELECT 1 FROM cloaca_run AS other
    WHERE other.workflow = :workflow AND other.singleton_key = :singleton_key
        AND other.singleton_key IS NOT NULL AND other.ended_at IS NULL AND NOT other.id IN :ids
)
FROM cloaca_run AS run
WHERE run.workflow = :workflow AND run.singleton_key = :singleton_key
    AND run.singleton_key IS NOT NULL AND run.ended_at IS NULL
ORDER BY run.created_at DESC, run.id DESC LIMIT 1;


-- name: give_key
-- Put a run that this transaction has inserted behind the last run of its key. Executed again, it changes
-- nothing.
UPDATE cloaca_run
SET singleton_key = :singleton_key, behind = CAST(:behind AS TEXT), created_at = :created_at
WHERE id = :id AND singleton_key IS NULL;


-- name: note_replaced
-- Note that the runs in whose place the new run was inserted are cancelled, as note_cancel does. A run
-- that came after the new run is spared: where the outcome was unknown, all this is executed again.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :act_id, run.id, run.workflow, run.round, 'cancel', :asked_by, CAST(:reason AS TEXT),
    CASE WHEN run.ended_at IS NULL AND run.cancel_at IS NULL THEN 1 ELSE 0 END, :now
FROM cloaca_run AS run
WHERE run.id IN :ids AND run.id <> :new_id
    AND EXISTS (
        SELECT 1 FROM cloaca_run AS made
        WHERE made.id = :new_id AND (run.created_at, run.id) < (made.created_at, made.id)
    )
ON CONFLICT DO NOTHING;


-- name: singletons_under_way
-- Find the runs of a key that have not ended, in their order.
SELECT run.id, run.status FROM cloaca_run AS run
WHERE run.workflow = :workflow AND run.singleton_key = :singleton_key
    AND run.singleton_key IS NOT NULL AND run.ended_at IS NULL
ORDER BY run.created_at, run.id LIMIT :limit;


-- name: singleton_made
-- Find whether the run was inserted with its key.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = :id AND run.singleton_key = :singleton_key;


-- name: keyed_runs
-- Find the keys of these runs, and the first other run of each key that has not ended.
SELECT run.id, run.workflow, run.singleton_key, other.id, other.status
FROM cloaca_run AS run
LEFT JOIN cloaca_run AS other ON other.id = (
    SELECT held.id FROM cloaca_run AS held
    WHERE held.workflow = run.workflow AND held.singleton_key = run.singleton_key
        AND held.singleton_key IS NOT NULL AND held.ended_at IS NULL AND held.id <> run.id
    ORDER BY held.created_at, held.id LIMIT 1
)
WHERE run.id IN :ids AND run.singleton_key IS NOT NULL
ORDER BY run.id;
