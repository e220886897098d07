-- Statements about schedules with a list as a parameter, which json_each unpacks.


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


-- name: find_ticks
-- Which of these ticks of a schedule were decided, and what became of them.
SELECT schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick
WHERE schedule_id = :schedule_id AND tick IN (SELECT value FROM json_each(:ticks))
ORDER BY tick;
