-- Schedules, their ticks, and the runs of ticks. Read the head of runs.sql first.


-- name: lock_schedules
-- Which of these schedules are there, in which generation; a database that lets several transactions
-- write locks them.
SELECT id, generation FROM cloaca_schedule WHERE id IN :ids;


-- name: insert_tick
-- Decide a tick, if the schedule still is what the decision was made from. A back-filled one
-- (generation NULL) was decided by a person, whatever the schedule has come to.
INSERT INTO cloaca_tick (schedule_id, tick, run_id, outcome, created_at)
SELECT :schedule_id, :tick, CAST(:run_id AS TEXT), :outcome, :created_at
WHERE EXISTS (
    SELECT 1 FROM cloaca_schedule
    WHERE id = :schedule_id AND (
        CAST(:generation AS BIGINT) IS NULL OR (generation = :generation AND enabled = 1)
    )
)
ON CONFLICT DO NOTHING;


-- name: take_dropped_tick
-- Back-fill a tick that was decided and made no run.
UPDATE cloaca_tick SET run_id = :run_id, outcome = :outcome, created_at = :created_at
WHERE schedule_id = :schedule_id AND tick = :tick AND run_id IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = :schedule_id);


-- name: insert_tick_run
-- Add the run of a tick that is ours. It belongs to nobody yet. A back-filled one is not among
-- those that the schedule's next ticks meet: a person has asked for it, however many there are.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, epoch, status, schedule_id, behind
)
SELECT
    :run_id, :workflow, :version, :input, '{}', :created_at, 0, 'Pending',
    CASE WHEN CAST(:generation AS BIGINT) IS NULL THEN NULL ELSE :schedule_id END,
    CAST(:behind AS TEXT)
WHERE EXISTS (
    SELECT 1 FROM cloaca_tick
    WHERE schedule_id = :schedule_id AND tick = :tick AND run_id = :run_id
)
ON CONFLICT DO NOTHING;


-- name: insert_lost
-- Count ticks that will never run, if the schedule still is what the decision was made from.
INSERT INTO cloaca_lost (schedule_id, decided_until, ticks, created_at)
SELECT :schedule_id, :decided_until, :lost, :decided_at
WHERE EXISTS (
    SELECT 1 FROM cloaca_schedule
    WHERE id = :schedule_id AND generation = :generation AND enabled = 1
)
ON CONFLICT DO NOTHING;


-- name: advance_schedule
-- Last: go on to the next tick, if the schedule still is what the decision was made from.
UPDATE cloaca_schedule
SET decided_until = :decided_until, next_tick = :next_tick, due_at = :due_at,
    last_tick = coalesce(:last_tick, last_tick), generation = generation + 1
WHERE id = :schedule_id AND generation = :generation AND enabled = 1;


-- name: outdate_schedule
-- A tick was back-filled that its schedule has not come to: whoever has decided that one already, as
-- if it were to make a run that the next ticks meet, decides anew.
UPDATE cloaca_schedule SET generation = generation + 1
WHERE id = :schedule_id AND enabled = 1 AND decided_until < :tick;


-- name: cancel_run
-- End a run that makes way for the run of a tick, if that is there. Whoever owned it finds another
-- epoch, and nothing that it still sends is written.
UPDATE cloaca_run
SET status = 'Cancelled', final_context = input, error_message = :error_message,
    ended_at = :ended_at, owner = NULL, epoch = epoch + 1, behind = NULL,
    reason_code = 'cancelled_by_schedule'
WHERE id = :id AND ended_at IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_tick
        WHERE schedule_id = :schedule_id AND tick = :tick AND run_id = :tick_run
    );


-- name: start_next
-- Last: let what waits behind these runs start, unless they are under way, or another earlier one is:
-- several run side by side where the policy did not always say that they queue. Without a schedule
-- there is no turn by which two who end runs would each see what the other one does.
UPDATE cloaca_run SET behind = (
    SELECT earlier.id
    FROM cloaca_schedule AS schedule
    CROSS JOIN cloaca_run AS earlier
    WHERE schedule.id = cloaca_run.schedule_id AND earlier.schedule_id = schedule.id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.workflow = cloaca_run.workflow
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
)
WHERE behind IS NOT NULL AND behind IN (
        SELECT wanted.value FROM :ids AS wanted
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.id = wanted.value AND before.ended_at IS NULL
        )
    );


-- name: put_schedule
-- Add a schedule, or change the one of this name. When its ticks stay the same it goes on where it
-- was: a program that says at each start what it wants misses nothing that way. With another jitter
-- the next tick may be due sooner than was known: whoever fires is to look at once.
INSERT INTO cloaca_schedule (
    id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
)
VALUES (
    :id, CAST(:name AS TEXT), :workflow, :cron_expression, :timezone, :enabled, :catchup_policy,
    :overlap_policy, :jitter_seconds, CAST(:start_date AS BIGINT), CAST(:end_date AS BIGINT),
    :params, :decided_until, CAST(:next_tick AS BIGINT), CAST(:due_at AS BIGINT), NULL, 0,
    :created_at, :created_at
)
ON CONFLICT (name) DO UPDATE SET
    workflow = excluded.workflow, cron_expression = excluded.cron_expression,
    timezone = excluded.timezone, catchup_policy = excluded.catchup_policy,
    overlap_policy = excluded.overlap_policy, jitter_seconds = excluded.jitter_seconds,
    start_date = excluded.start_date, end_date = excluded.end_date, params = excluded.params,
    updated_at = excluded.updated_at, generation = cloaca_schedule.generation + 1,
    (decided_until, next_tick, due_at) = (
        SELECT
            CASE WHEN kept.ticks THEN cloaca_schedule.decided_until ELSE excluded.decided_until END,
            CASE WHEN kept.ticks THEN cloaca_schedule.next_tick ELSE excluded.next_tick END,
            CASE
                WHEN NOT kept.ticks THEN excluded.due_at
                WHEN cloaca_schedule.jitter_seconds <> excluded.jitter_seconds
                    AND cloaca_schedule.due_at >= excluded.created_at
                THEN excluded.created_at
                ELSE cloaca_schedule.due_at
            END
        FROM (
            SELECT cloaca_schedule.cron_expression = excluded.cron_expression
                AND cloaca_schedule.timezone = excluded.timezone
                AND cloaca_schedule.start_date IS NOT DISTINCT FROM excluded.start_date
                AND cloaca_schedule.end_date IS NOT DISTINCT FROM excluded.end_date AS ticks
        ) AS kept
    )
RETURNING id;


-- name: get_schedule
-- One schedule.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule WHERE id = :id;


-- name: get_schedule_named
-- The schedule of a name.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule WHERE name = :name;


-- name: list_schedules
-- Schedules in the order of their workflows, all or (enabled_only 1) those that are enabled. Each
-- has a workflow: that it is asked for leads to the index, which has the order.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule WHERE workflow > '' AND enabled >= :enabled_only
ORDER BY workflow, id LIMIT :limit OFFSET :offset;


-- name: retime_schedule
-- Change when a schedule that is seen in this generation ticks, and whether it does.
UPDATE cloaca_schedule
SET cron_expression = :cron_expression, timezone = :timezone, enabled = :enabled,
    decided_until = :decided_until, next_tick = :next_tick, due_at = :due_at,
    updated_at = :updated_at, generation = generation + 1
WHERE id = :id AND generation = :generation
RETURNING id;


-- name: delete_schedule
-- Remove a schedule. Its ticks stay: they are the history of runs.
DELETE FROM cloaca_schedule WHERE id = :id;


-- name: next_due
-- When the first schedule of these workflows is due: one look into the index for each workflow.
SELECT min((
    SELECT first.due_at FROM cloaca_schedule AS first
    WHERE first.workflow = wanted.value AND first.enabled = 1 AND first.due_at IS NOT NULL
    ORDER BY first.due_at LIMIT 1
))
FROM :workflows AS wanted;


-- name: due_schedules
-- Schedules of these workflows that are due, those first that have been for longest.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule
WHERE workflow IN :workflows AND enabled = 1
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
WHERE workflow IN :workflows AND enabled = 1
    AND decided_until > :edge
ORDER BY id LIMIT :limit;


-- name: list_under_way
-- Runs of these schedules, as they are now, that have not ended, in the order of their ticks. Those
-- of the workflow that a schedule had before may be nobody's any more, and would be met for ever.
-- Both sides are asked for these schedules: in whichever order they are joined, no others are read.
SELECT run.schedule_id, run.id
FROM cloaca_schedule AS schedule
CROSS JOIN cloaca_run AS run
WHERE schedule.id IN :schedule_ids AND run.schedule_id IN :schedule_ids
    AND run.schedule_id = schedule.id AND run.schedule_id IS NOT NULL AND run.ended_at IS NULL
    AND run.workflow = schedule.workflow
ORDER BY run.schedule_id, run.created_at, run.id;


-- name: list_ticks
-- What became of the ticks of a schedule, newest first.
SELECT schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick WHERE schedule_id = :schedule_id
ORDER BY tick DESC LIMIT :limit OFFSET :offset;


-- name: find_ticks
-- Which of these ticks of a schedule were decided, and what became of them.
SELECT schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick
WHERE schedule_id = :schedule_id AND tick IN :ticks
ORDER BY tick;


-- name: count_ticks
-- How many ticks were decided since an instant: those that have a run, and those that have none.
SELECT
    count(run_id),
    count(*) - count(run_id) + (
        SELECT coalesce(CAST(sum(ticks) AS BIGINT), 0) FROM cloaca_lost WHERE created_at >= :since
    )
FROM cloaca_tick WHERE created_at >= :since;
