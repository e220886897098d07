-- Runs: inserted, claimed, recorded, listed.
--
-- In SQL that SQLite and PostgreSQL both take, and good for any database in which one transaction
-- writes at a time: there it has locked what it reads. A backend has a file of the same name for what
-- it words in its own way; the head of that file gives the reasons.
--
-- CAST stands where a NULL parameter would leave a database without a type. A parameter after IN or
-- FROM is a list, which each database takes apart in its own way (see Wording in queries.py).


-- name: insert_run
-- Add a run. It belongs to :owner from the start if that is a live runner, else to nobody.
-- Sent again, or with a taken idempotency key, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, created_at,
    owner, epoch, status, started_at
)
SELECT
    :id, :workflow, :version, :input, :tags, CAST(:idempotency_key AS TEXT),
    CAST(:parent_id AS TEXT), :created_at,
    runner.id,
    CASE WHEN runner.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN runner.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN runner.id IS NULL THEN NULL ELSE :created_at END
FROM (SELECT 1) AS one
LEFT JOIN cloaca_runner AS runner ON runner.id = :owner AND runner.fenced = 0
WHERE 1 = 1
ON CONFLICT DO NOTHING;


-- name: insert_unowned_run
-- Add a run without an owner. Sent again, or with a taken idempotency key, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, created_at, epoch, status
)
VALUES (
    :id, :workflow, :version, :input, :tags, :idempotency_key, CAST(:parent_id AS TEXT),
    :created_at, 0, 'Pending'
)
ON CONFLICT DO NOTHING;


-- name: insert_tag
-- Index one tag of a run that was inserted (a run whose key was taken was not).
INSERT INTO cloaca_run_tag (run_id, tag, content)
SELECT :run_id, :tag, :content
WHERE EXISTS (SELECT 1 FROM cloaca_run WHERE id = :run_id)
ON CONFLICT DO NOTHING;


-- name: owned_runs
-- Which of these new runs belong to the runner that sent them, under their first epoch. Those of a
-- runner that was fenced since they were sent first are about to be taken over.
SELECT id FROM cloaca_run
WHERE id IN :ids AND owner = :runner_id AND epoch = 1
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: lock_runs
-- Which of these runs are there; a database that lets several transactions write locks them, and the
-- runner before them.
SELECT run.id FROM cloaca_run AS run
LEFT JOIN cloaca_runner AS runner ON runner.id = :runner_id
WHERE run.id IN :ids;


-- name: fence_runs
-- Which of these runs the runner owns, and under which epoch: what the guards of this transaction
-- see. A database that lets several transactions write locks them.
SELECT id, epoch FROM cloaca_run
WHERE id IN :ids AND owner = :runner_id
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: record_attempt
-- Write what became of an attempt, if the runner still owns the run. A final row stays.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes, reason_code
)
SELECT
    :run_id, :task_id, :attempt, :epoch, :status, CAST(:change AS TEXT),
    CAST(:error_type AS TEXT), CAST(:error_message AS TEXT), CAST(:error_traceback AS TEXT),
    CAST(:skip_reason AS TEXT), CAST(:started_at AS BIGINT), CAST(:ended_at AS BIGINT),
    CAST(:retry_at AS BIGINT), :crashes, CAST(:reason_code AS TEXT)
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run
    JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
    WHERE run.id = :run_id AND run.owner = :runner_id AND run.epoch = :fence
)
ON CONFLICT (run_id, task_id, attempt) DO UPDATE SET
    epoch = excluded.epoch, status = excluded.status, change = excluded.change,
    error_type = excluded.error_type, error_message = excluded.error_message,
    error_traceback = excluded.error_traceback, skip_reason = excluded.skip_reason,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    retry_at = excluded.retry_at, crashes = excluded.crashes,
    reason_code = excluded.reason_code
WHERE cloaca_attempt.status NOT IN ('Completed', 'Failed', 'Skipped', 'Cancelled');


-- name: end_run
-- The last write of a run, if the runner still owns it. It keeps its owner, so that the same
-- batch sent again is answered as the first time.
UPDATE cloaca_run
SET status = :status, final_context = :final_context, error_message = :error_message,
    ended_at = :ended_at, reason_code = CAST(:reason_code AS TEXT),
    limit_seconds = CAST(:limit_seconds AS BIGINT)
WHERE id = :id AND owner = :runner_id AND epoch = :fence AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: has_claimable
-- Whether a claim would find anything: one look into the index for each workflow, as a subquery with
-- LIMIT is joined to nothing.
SELECT EXISTS (
    SELECT 1 FROM :workflows AS wanted
    WHERE (
        SELECT waiting.id FROM cloaca_run AS waiting
        WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL
            AND waiting.behind IS NULL AND waiting.workflow = wanted.value
        LIMIT 1
    ) IS NOT NULL
);


-- name: load_attempts
-- Everything known of the tasks of these runs.
SELECT run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes, reason_code
FROM cloaca_attempt WHERE run_id IN :ids
ORDER BY run_id, task_id, attempt;


-- name: get_run
-- One run with its payloads.
SELECT id, workflow, version, status, owner, epoch, recoveries, input, tags, parent_id,
    final_context, error_message, created_at, started_at, ended_at, schedule_id,
    reason_code, limit_seconds
FROM cloaca_run WHERE id = :id;


-- name: ended_runs
-- Those of these runs that are over.
SELECT id, workflow, version, status, owner, epoch, recoveries, input, tags, parent_id,
    final_context, error_message, created_at, started_at, ended_at, schedule_id,
    reason_code, limit_seconds
FROM cloaca_run WHERE id IN :ids AND ended_at IS NOT NULL
ORDER BY id;


-- name: list_runs
-- The newest runs, without payloads. A "before" past every id means from the newest on.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id,
    reason_code, limit_seconds
FROM cloaca_run WHERE id < :before
ORDER BY id DESC LIMIT :limit;


-- name: list_active_runs
-- The newest runs in one state of those that have not ended.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id,
    reason_code, limit_seconds
FROM cloaca_run WHERE ended_at IS NULL AND status = :status AND id < :before
ORDER BY id DESC LIMIT :limit;


-- name: list_ended_runs
-- The newest runs that ended in one state.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id,
    reason_code, limit_seconds
FROM cloaca_run WHERE ended_at IS NOT NULL AND status = :status AND id < :before
ORDER BY id DESC LIMIT :limit;


-- name: list_runs_of_workflow
-- The newest runs of one workflow, in one state or (status NULL) any.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id,
    reason_code, limit_seconds
FROM cloaca_run
WHERE workflow = :workflow AND id < :before
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
ORDER BY id DESC LIMIT :limit;


-- name: list_waiting
-- The workflows of which runs wait for anybody, or schedules tick, and no live runner owns a run; and
-- how many live runners there are beside this one. From each workflow one look leads to the next, and
-- at most :most are counted, however many wait.
WITH RECURSIVE waiting (workflow) AS (
    SELECT min(run.workflow) FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
    UNION ALL
    SELECT (
        SELECT min(run.workflow) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
            AND run.workflow > waiting.workflow
    )
    FROM waiting WHERE waiting.workflow IS NOT NULL
),
planned (workflow) AS (
    SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
    WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
        WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
            AND schedule.workflow > planned.workflow
    )
    FROM planned WHERE planned.workflow IS NOT NULL
)
SELECT 'run' AS kind, waiting.workflow, oldest.id AS first_run, oldest.created_at AS due_at,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS run
            WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
                AND run.workflow = waiting.workflow
            LIMIT :most
        ) AS counted
    ) AS found
FROM waiting
JOIN cloaca_run AS oldest ON oldest.id = (
    SELECT min(run.id) FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
        AND run.workflow = waiting.workflow
)
WHERE waiting.workflow IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM cloaca_runner AS runner
    WHERE runner.fenced = 0 AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.owner = runner.id AND run.behind IS NULL AND run.ended_at IS NULL
            AND run.workflow = waiting.workflow
    )
)
UNION ALL
SELECT 'schedule', planned.workflow, '', (
        SELECT min(schedule.due_at) FROM cloaca_schedule AS schedule
        WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
            AND schedule.workflow = planned.workflow
    ),
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_schedule AS schedule
            WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
                AND schedule.workflow = planned.workflow
            LIMIT :most
        ) AS counted
    )
FROM planned
WHERE planned.workflow IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM cloaca_runner AS runner
    WHERE runner.fenced = 0 AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.owner = runner.id AND run.behind IS NULL AND run.ended_at IS NULL
            AND run.workflow = planned.workflow
    )
)
UNION ALL
SELECT 'runner', '', '', 0, count(*) FROM cloaca_runner AS runner
WHERE runner.fenced = 0 AND runner.id <> :runner_id;
