-- Searches that SQLite words in its own way, and why.
--
-- * failed_ids, list_failures: INDEXED BY names the index in the order of ends; that of all statuses reads all failures.
-- * active_ids, count_active: SQLite chooses an index without knowing the values and would take the primary key;
--   INDEXED BY names the small ones.
-- * match_runs: its conditions are JSON, which ->> takes apart. SQLite applies it to text; PostgreSQL
--   needs a cast to JSON, which in SQLite would be a cast to a number. CROSS JOIN keeps the order of the
--   loops: from the ids to the runs.


-- name: active_ids
-- The newest unfinished runs of one status, by the index of owned runs and those of the others.
SELECT id FROM (
    SELECT id FROM (
        SELECT id FROM cloaca_run INDEXED BY cloaca_run_owned
        WHERE owner IS NOT NULL AND ended_at IS NULL AND status = :value
            AND id < :before AND id >= :after
        ORDER BY id DESC LIMIT :most
    )
    UNION ALL
    SELECT id FROM (
        SELECT id FROM cloaca_run INDEXED BY cloaca_run_held
        WHERE owner IS NULL AND ended_at IS NULL
            AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL)
            AND status = :value AND id < :before AND id >= :after
        ORDER BY id DESC LIMIT :most
    )
    UNION ALL
    SELECT id FROM (
        SELECT id FROM cloaca_run INDEXED BY cloaca_run_woken
        WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
            AND due_at IS NULL AND status <> 'Pending' AND status = :value
            AND id < :before AND id >= :after
        ORDER BY id DESC LIMIT :most
    )
    UNION ALL
    SELECT id FROM (
        SELECT id FROM cloaca_run INDEXED BY cloaca_run_claimable
        WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
            AND due_at IS NULL AND status = 'Pending' AND :value = 'Pending'
            AND id < :before AND id >= :after
        ORDER BY id DESC LIMIT :most
    )
)
ORDER BY id DESC LIMIT :most;


-- name: count_active
-- Count the unfinished runs of one status, in no order: of the claimable ones the index has none by id.
SELECT count(*) FROM (
    SELECT 1 FROM cloaca_run INDEXED BY cloaca_run_owned
    WHERE owner IS NOT NULL AND ended_at IS NULL AND status = :value
    UNION ALL
    SELECT 1 FROM cloaca_run INDEXED BY cloaca_run_held
    WHERE owner IS NULL AND ended_at IS NULL
        AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL)
        AND status = :value
    UNION ALL
    SELECT 1 FROM cloaca_run INDEXED BY cloaca_run_woken
    WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
        AND due_at IS NULL AND status <> 'Pending' AND status = :value
    UNION ALL
    SELECT 1 FROM cloaca_run INDEXED BY cloaca_run_claimable
    WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
        AND due_at IS NULL AND status = 'Pending' AND :value = 'Pending'
    LIMIT :most
);


-- name: failed_ids
-- The runs that failed last, from an instant on.
SELECT run.id FROM cloaca_run AS run INDEXED BY cloaca_run_failed
WHERE run.status = 'Failed' AND run.ended_at >= :since AND NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(run.root_id, run.id)
)
ORDER BY run.ended_at DESC, run.id DESC LIMIT :most;


-- name: list_failures
-- The runs that failed last, from an instant on, with their workflows.
SELECT run.id, run.workflow, run.ended_at FROM cloaca_run AS run INDEXED BY cloaca_run_failed
WHERE run.status = 'Failed' AND run.ended_at >= :since AND NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(run.root_id, run.id)
)
ORDER BY run.ended_at DESC, run.id DESC LIMIT :most;


-- name: match_runs
-- Those of these runs that meet all conditions. A condition is a list: its kind, 1 if it is negated,
-- else 0, its key, and its values. It is not met where negated and matched are the same.
SELECT :columns(RunRow AS run, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM json_each(:ids) AS wanted
CROSS JOIN cloaca_run AS run ON run.id = wanted.value
WHERE (:since IS NULL OR run.created_at >= :since)
    AND (:until IS NULL OR run.created_at < :until)
    AND (:ended_since IS NULL OR run.ended_at >= :ended_since)
    AND NOT EXISTS (
        SELECT 1 FROM json_each(:conditions) AS term
        WHERE (term.value ->> 1) = CASE term.value ->> 0
            WHEN 'status' THEN run.status IN (SELECT value FROM json_each(term.value -> 3))
            WHEN 'workflow' THEN run.workflow IN (SELECT value FROM json_each(term.value -> 3))
            WHEN 'queue' THEN run.queue IN (SELECT value FROM json_each(term.value -> 3))
            WHEN 'parent' THEN
                coalesce(run.parent_id, '') IN (SELECT value FROM json_each(term.value -> 3))
                OR (
                    run.detached = 1 AND '' IN (SELECT value FROM json_each(term.value -> 3))
                )
            WHEN 'id' THEN EXISTS (
                SELECT 1 FROM json_each(term.value -> 3) AS given
                WHERE substr(run.id, 1, length(given.value)) = given.value
            )
            WHEN 'error' THEN EXISTS (
                SELECT 1 FROM json_each(term.value -> 3) AS given
                WHERE replace(lower(run.error_message), lower(given.value), '')
                    <> lower(run.error_message)
            )
            WHEN 'tag' THEN EXISTS (
                SELECT 1 FROM json_each(term.value -> 3) AS given
                CROSS JOIN cloaca_run_tag AS own
                WHERE own.run_id = run.id AND own.tag = term.value ->> 2
                    AND own.content = given.value
            )
            WHEN 'task' THEN EXISTS (
                SELECT 1 FROM json_each(term.value -> 3) AS given
                CROSS JOIN cloaca_attempt AS own
                WHERE own.run_id = run.id AND own.task_id = given.value AND own.attempt > 0
            )
            WHEN 'reason' THEN EXISTS (
                SELECT 1 FROM cloaca_attempt AS own
                WHERE own.run_id = run.id
                    AND own.reason_code IN (SELECT value FROM json_each(term.value -> 3))
                    AND NOT EXISTS (
                        SELECT 1 FROM cloaca_attempt AS later
                        WHERE later.run_id = run.id AND later.task_id = own.task_id
                            AND later.item = own.item
                            AND later.attempt > own.attempt
                    )
                    AND NOT EXISTS (
                        SELECT 1 FROM cloaca_restart AS again
                        WHERE again.run_id = run.id AND again.task_id = own.task_id
                            AND again.item = own.item
                            AND again.first_attempt > own.attempt
                    )
            )
            WHEN 'by' THEN EXISTS (
                SELECT 1 FROM cloaca_act AS own
                WHERE own.run_id = run.id
                    AND own.asked_by IN (SELECT value FROM json_each(term.value -> 3))
            )
            WHEN 'act' THEN EXISTS (
                SELECT 1 FROM cloaca_act AS own
                WHERE own.run_id = run.id AND own.changed = 1
                    AND own.id IN (SELECT value FROM json_each(term.value -> 3))
            )
        END
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ORDER BY run.id DESC;
