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


-- name: insert_singleton
-- Add a run without an owner behind the last run of its key that has not ended. With :queues 0 only if
-- there is none; with :replaces 1 only if those are all among :ids. Executed again, or with an
-- idempotency key that another run has, it changes nothing; nor if the tree of its parent is hidden.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, trace, child_kind, queue, asked_queue,
    singleton_key, behind, epoch, status
)
SELECT
    :id, :workflow, :version, :input, :tags, CAST(:idempotency_key AS TEXT),
    CAST(:parent_id AS TEXT), (
        SELECT coalesce(parent.root_id, parent.id) FROM cloaca_run AS parent
        WHERE parent.id = CAST(:parent_id AS TEXT) AND :detached = 0
    ),
    CASE WHEN last.created_at >= :created_at THEN last.created_at + 1 ELSE :created_at END,
    coalesce(CAST(:due_at AS BIGINT), :created_at), :priority,
    CAST(:due_at AS BIGINT), :detached, CAST(:time_limit AS BIGINT),
    CAST(:deadline_at AS BIGINT), CAST(:start_by AS BIGINT), CAST(:trace AS TEXT),
    CAST(:child_kind AS TEXT), :queue, CAST(:asked_queue AS TEXT),
    CAST(:singleton_key AS TEXT), last.id, 0, 'Pending'
FROM (SELECT 1) AS one
LEFT JOIN cloaca_run AS last ON last.id = (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.workflow = :workflow AND run.singleton_key = :singleton_key
        AND run.singleton_key IS NOT NULL AND run.ended_at IS NULL
    ORDER BY run.created_at DESC, run.id DESC LIMIT 1
)
WHERE (last.id IS NULL OR :queues = 1)
    AND (
        :replaces = 0
        OR NOT EXISTS (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.workflow = :workflow AND before.singleton_key = :singleton_key
                AND before.singleton_key IS NOT NULL AND before.ended_at IS NULL
                AND NOT before.id IN :ids
        )
    )
    AND (
        CAST(:parent_id AS TEXT) IS NULL OR :detached = 1
        OR EXISTS (
            SELECT 1 FROM cloaca_run AS parent
            WHERE parent.id = CAST(:parent_id AS TEXT) AND NOT EXISTS (
                SELECT 1 FROM cloaca_tombstone AS gone
                WHERE gone.root_id = coalesce(parent.root_id, parent.id)
            )
        )
    )
ON CONFLICT DO NOTHING;


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
