-- Statements about runs with a list as a parameter: on SQLite a JSON array, unpacked by json_each.


-- name: owned_runs
-- Which of these new runs belong to the runner that sent them, under their first epoch. Those of a
-- runner that was fenced since they were sent first are about to be taken over.
SELECT id FROM cloaca_run
WHERE id IN (SELECT value FROM json_each(:ids)) AND owner = :runner_id AND epoch = 1
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: find_keys
-- Who has the idempotency keys of these new runs: (workflow, key, run id).
SELECT run.workflow, run.idempotency_key, run.id
FROM json_each(:keys) AS wanted
JOIN cloaca_run AS run
    ON run.workflow = wanted.value ->> 0 AND run.idempotency_key = wanted.value ->> 1;


-- name: lock_runs
-- BEGIN IMMEDIATE has locked them, and the runner.
SELECT run.id FROM cloaca_run AS run
LEFT JOIN cloaca_runner AS runner ON runner.id = :runner_id
WHERE run.id IN (SELECT value FROM json_each(:ids));


-- name: fence_runs
-- Which of these runs the runner owns, and under which epoch: what the guards of this
-- transaction see. BEGIN IMMEDIATE has locked them.
SELECT id, epoch FROM cloaca_run
WHERE id IN (SELECT value FROM json_each(:ids)) AND owner = :runner_id
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: claim
-- Make the oldest claimable runs of these workflows the runner's own. The inner statement reads
-- at most :limit entries of the index for each workflow, however many runs wait. The + keeps
-- SQLite from answering the repeated guard from an index, by looking at every run that waits.
UPDATE cloaca_run
SET owner = :runner_id, epoch = epoch + 1, status = 'Running',
    started_at = coalesce(started_at, :now)
WHERE id IN (
        SELECT run.id
        FROM json_each(:workflows) AS wanted
        JOIN cloaca_run AS run ON run.id IN (
            SELECT waiting.id FROM cloaca_run AS waiting
            WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL
                AND waiting.behind IS NULL AND waiting.workflow = wanted.value
            ORDER BY waiting.id LIMIT :limit
        )
        ORDER BY run.id LIMIT :limit
    )
    AND +owner IS NULL AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
RETURNING id, workflow, version, status, owner, epoch, recoveries, input, tags, parent_id,
    final_context, error_message, created_at, started_at, ended_at, schedule_id;


-- name: has_claimable
-- Whether a claim would find anything: one look into the index for each workflow.
SELECT EXISTS (
    SELECT 1 FROM json_each(:workflows) AS wanted
    JOIN cloaca_run AS run
        ON run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
        AND run.workflow = wanted.value
);


-- name: load_attempts
-- Everything known of the tasks of these runs.
SELECT run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes
FROM cloaca_attempt WHERE run_id IN (SELECT value FROM json_each(:ids))
ORDER BY run_id, task_id, attempt;


-- name: ended_runs
-- Those of these runs that are over.
SELECT id, workflow, version, status, owner, epoch, recoveries, input, tags, parent_id,
    final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run WHERE id IN (SELECT value FROM json_each(:ids)) AND ended_at IS NOT NULL
ORDER BY id;


-- name: list_active_runs
-- The newest runs in one state of those that have not ended: all of these are looked through, as
-- the index says their state. By key, a million runs that have ended might be.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run
WHERE id IN (
        SELECT id FROM cloaca_run INDEXED BY cloaca_run_active
        WHERE ended_at IS NULL AND status = :status AND id < :before
        ORDER BY id DESC LIMIT :limit
    )
ORDER BY id DESC;


-- name: list_runs_of_tag
-- The newest runs that have one tag, and further ones, in one state and of one workflow or
-- (NULL) any.
SELECT run.id, run.workflow, run.version, run.status, run.owner, run.epoch, run.recoveries,
    '' AS input, run.tags, run.parent_id, '' AS final_context, run.error_message,
    run.created_at, run.started_at, run.ended_at, run.schedule_id
FROM cloaca_run_tag AS first_tag
JOIN cloaca_run AS run ON run.id = first_tag.run_id
WHERE first_tag.tag = :tag AND first_tag.content = :content AND first_tag.run_id < :before
    AND (:status IS NULL OR run.status = :status)
    AND (:workflow IS NULL OR run.workflow = :workflow)
    AND NOT EXISTS (
        SELECT 1 FROM json_each(:others) AS other
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run_tag AS has
            WHERE has.run_id = run.id AND has.tag = other.value ->> 0
                AND has.content = other.value ->> 1
        )
    )
ORDER BY first_tag.run_id DESC LIMIT :limit;
