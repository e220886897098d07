-- Statements with a list as a parameter: on SQLite a JSON array, unpacked by json_each.


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


-- name: release
-- Give back what a runner owns beside these runs; no crash is counted.
UPDATE cloaca_run SET owner = NULL, epoch = epoch + 1
WHERE owner = :runner_id AND ended_at IS NULL AND id NOT IN (SELECT value FROM json_each(:held))
RETURNING id;


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


-- name: lock_schedules
-- BEGIN IMMEDIATE has locked them.
SELECT id, generation FROM cloaca_schedule WHERE id IN (SELECT value FROM json_each(:ids));


-- name: start_next
-- Last: let what waits behind these runs start, unless they are under way, or another earlier one is:
-- several run side by side where the policy did not always say that they queue. Without a schedule
-- there is no turn by which two who end runs would each see what the other one does.
UPDATE cloaca_run SET behind = (
    SELECT earlier.id
    FROM cloaca_schedule AS schedule
    CROSS JOIN cloaca_run AS earlier ON earlier.schedule_id = schedule.id
    WHERE schedule.id = cloaca_run.schedule_id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.workflow = cloaca_run.workflow
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
)
WHERE behind IS NOT NULL AND behind IN (
        SELECT wanted.value FROM json_each(:ids) AS wanted
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.id = wanted.value AND before.ended_at IS NULL
        )
    );


-- name: list_under_way
-- Runs of these schedules, as they are now, that have not ended, in the order of their ticks. Those
-- of the workflow that a schedule had before may be nobody's any more, and would be met for ever.
SELECT run.schedule_id, run.id
FROM cloaca_schedule AS schedule
CROSS JOIN cloaca_run AS run ON run.schedule_id = schedule.id
WHERE schedule.id IN (SELECT value FROM json_each(:schedule_ids))
    AND run.schedule_id IS NOT NULL AND run.ended_at IS NULL
    AND run.workflow = schedule.workflow
ORDER BY run.schedule_id, run.created_at, run.id;


-- name: lock_runs
-- BEGIN IMMEDIATE has locked them, and the runner.
SELECT run.id FROM cloaca_run AS run
LEFT JOIN cloaca_runner AS runner ON runner.id = :runner_id
WHERE run.id IN (SELECT value FROM json_each(:ids));


-- name: next_due
-- When the first schedule of these workflows is due: one look into the index for each workflow.
SELECT min(soonest.due_at)
FROM json_each(:workflows) AS wanted
JOIN cloaca_schedule AS soonest ON soonest.id = (
    SELECT first.id FROM cloaca_schedule AS first
    WHERE first.workflow = wanted.value AND first.enabled = 1 AND first.due_at IS NOT NULL
    ORDER BY first.due_at LIMIT 1
);


-- name: due_schedules
-- Schedules of these workflows that are due, those first that have been for longest.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule
WHERE workflow IN (SELECT value FROM json_each(:workflows)) AND enabled = 1
    AND due_at IS NOT NULL AND due_at <= :now
ORDER BY due_at, id LIMIT :limit;


-- name: schedules_ahead
-- Schedules of these workflows whose ticks were decided beyond an instant, each with the newest of its
-- ticks up to now that was.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at, (
        SELECT max(tick) FROM cloaca_tick
        WHERE schedule_id = cloaca_schedule.id AND tick <= :now
    )
FROM cloaca_schedule
WHERE workflow IN (SELECT value FROM json_each(:workflows)) AND enabled = 1
    AND decided_until > :edge
ORDER BY id LIMIT :limit;


-- name: find_ticks
-- Which of these ticks of a schedule were decided, and what became of them.
SELECT schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick
WHERE schedule_id = :schedule_id AND tick IN (SELECT value FROM json_each(:ticks))
ORDER BY tick;


-- name: lock_triggers
-- BEGIN IMMEDIATE has locked them.
SELECT id FROM cloaca_trigger WHERE id IN (SELECT value FROM json_each(:ids));


-- name: triggers_named
-- The triggers of these names.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name IN (SELECT value FROM json_each(:names));


-- name: known_events
-- Which of these keys events of a trigger have.
SELECT event_key FROM cloaca_event
WHERE trigger_id = :trigger_id AND event_key IN (SELECT value FROM json_each(:keys));
