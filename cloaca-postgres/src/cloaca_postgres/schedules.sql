-- Statements about schedules that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * lock_schedules: locks schedules by id.
-- * insert_tick, take_dropped_tick, insert_tick_run, insert_lost, advance_schedule,
--   outdate_schedule, cancel_run: rows.
-- * start_next: its plan. Runs are found by the run that they wait for, also when the statement was
--   planned for empty tables.


-- name: lock_schedules
-- Lock these schedules by id. Another transaction that decides their ticks waits here, and then
-- finds that they have gone on; one that ends their runs waits as well. Executed before the runner
-- and runs are locked: no transaction that holds those waits for a schedule.
SELECT schedule.id, schedule.generation
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_schedule AS schedule ON schedule.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF schedule;


-- name: insert_tick
-- Record the decisions about ticks, if the schedules' generations are still the ones that the
-- decisions were based on. A user asked for a back-filled tick (generation NULL): for that one the
-- schedule need only exist. Ticks up to the mark of those that were forgotten are not recorded.
INSERT INTO cloaca_tick (schedule_id, tick, run_id, outcome, created_at)
SELECT new.schedule_id, new.tick, new.run_id, new.outcome, new.created_at
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]), CAST(:run_id AS TEXT[]),
    CAST(:outcome AS TEXT[]), CAST(:created_at AS BIGINT[]), CAST(:generation AS BIGINT[])
) AS new (schedule_id, tick, run_id, outcome, created_at, generation)
JOIN cloaca_schedule AS schedule
    ON schedule.id = ANY(ARRAY[new.schedule_id])
    AND new.tick > coalesce(schedule.pruned_until, -1) AND (
        new.generation IS NULL
        OR (schedule.generation = new.generation AND schedule.enabled = 1)
    )
ON CONFLICT DO NOTHING;


-- name: take_dropped_tick
-- Give runs to back-filled ticks that were decided without one.
UPDATE cloaca_tick AS dropped
SET run_id = new.run_id, outcome = new.outcome, created_at = new.created_at
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]), CAST(:run_id AS TEXT[]),
    CAST(:outcome AS TEXT[]), CAST(:created_at AS BIGINT[])
) AS new (schedule_id, tick, run_id, outcome, created_at)
JOIN cloaca_schedule AS schedule ON schedule.id = ANY(ARRAY[new.schedule_id])
WHERE dropped.schedule_id = ANY(ARRAY[new.schedule_id]) AND dropped.tick = ANY(ARRAY[new.tick])
    AND dropped.run_id IS NULL AND new.tick > coalesce(schedule.pruned_until, -1);


-- name: insert_tick_run
-- Add the runs of ticks whose rows name these runs. They have no owner yet. The run of a
-- back-filled tick is not linked to its schedule, so the overlap policy does not count it: a user
-- asked for these runs, however many there are.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, time_limit, epoch, status,
    schedule_id, behind
)
SELECT
    new.run_id, new.workflow, new.version, new.input, '{}', new.created_at, new.created_at,
    new.time_limit, 0, 'Pending',
    CASE WHEN new.generation IS NULL THEN NULL ELSE new.schedule_id END, new.behind
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]),
    CAST(:input AS TEXT[]), CAST(:created_at AS BIGINT[]), CAST(:schedule_id AS TEXT[]),
    CAST(:tick AS BIGINT[]), CAST(:behind AS TEXT[]), CAST(:generation AS BIGINT[]),
    CAST(:time_limit AS BIGINT[])
) AS new (
    run_id, workflow, version, input, created_at, schedule_id, tick, behind, generation, time_limit
)
JOIN cloaca_tick AS decided
    ON decided.schedule_id = ANY(ARRAY[new.schedule_id]) AND decided.tick = ANY(ARRAY[new.tick])
    AND decided.run_id = new.run_id
ON CONFLICT DO NOTHING;


-- name: insert_lost
-- Count ticks that will never run, if the schedules' generations are still the ones that the
-- decisions were based on.
INSERT INTO cloaca_lost (schedule_id, decided_until, ticks, created_at)
SELECT new.schedule_id, new.decided_until, new.lost, new.decided_at
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:decided_until AS BIGINT[]), CAST(:lost AS BIGINT[]),
    CAST(:decided_at AS BIGINT[]), CAST(:generation AS BIGINT[])
) AS new (schedule_id, decided_until, lost, decided_at, generation)
JOIN cloaca_schedule AS schedule
    ON schedule.id = ANY(ARRAY[new.schedule_id]) AND schedule.generation = new.generation
    AND schedule.enabled = 1
ON CONFLICT DO NOTHING;


-- name: advance_schedule
-- Go on to the next ticks, if the schedules' generations are still the ones that the decisions were
-- based on. Executed after insert_tick and insert_lost, which check the generations that this
-- changes.
UPDATE cloaca_schedule AS schedule
SET decided_until = new.decided_until, next_tick = new.next_tick, due_at = new.due_at,
    last_tick = coalesce(new.last_tick, schedule.last_tick), generation = schedule.generation + 1
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:generation AS BIGINT[]), CAST(:decided_until AS BIGINT[]),
    CAST(:next_tick AS BIGINT[]), CAST(:due_at AS BIGINT[]), CAST(:last_tick AS BIGINT[])
) AS new (schedule_id, generation, decided_until, next_tick, due_at, last_tick)
WHERE schedule.id = ANY(ARRAY[new.schedule_id]) AND schedule.generation = new.generation
    AND schedule.enabled = 1;


-- name: outdate_schedule
-- Raise the generations of schedules when ticks are back-filled that they have not reached. A
-- runner that has decided these ticks already, and counts their runs for the overlap policy, then
-- has to decide again.
UPDATE cloaca_schedule AS schedule SET generation = schedule.generation + 1
FROM unnest(CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[])) AS new (schedule_id, tick)
WHERE schedule.id = ANY(ARRAY[new.schedule_id]) AND schedule.enabled = 1
    AND schedule.decided_until < new.tick;


-- name: cancel_run
-- Cancel runs in favour of the runs of ticks, as far as those exist. The epochs change, so later
-- writes of the previous owners have no effect. Their children are to be cancelled next.
UPDATE cloaca_run AS run
SET status = 'Cancelled', error_message = old.error_message,
    ended_at = old.ended_at, owner = NULL, epoch = run.epoch + 1, behind = NULL, due_at = NULL,
    reason_code = 'cancelled_by_schedule', steer_reason = old.error_message,
    children_at = old.children_at, cancels_children = 1
FROM unnest(
    CAST(:id AS TEXT[]), CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]),
    CAST(:tick_run AS TEXT[]), CAST(:error_message AS TEXT[]), CAST(:ended_at AS BIGINT[]),
    CAST(:children_at AS BIGINT[])
) AS old (id, schedule_id, tick, tick_run, error_message, ended_at, children_at)
JOIN cloaca_tick AS decided
    ON decided.schedule_id = ANY(ARRAY[old.schedule_id]) AND decided.tick = ANY(ARRAY[old.tick])
    AND decided.run_id = old.tick_run
WHERE run.id = ANY(ARRAY[old.id]) AND +run.ended_at IS NULL;


-- name: start_next
-- Free each run that waits behind one of these runs if that one has ended. If another earlier run
-- of its schedule has not ended (several run at once if the overlap policy was changed), the run
-- waits behind that one instead. The schedules are locked, so no other transaction can be about to
-- end one of these runs or to put a run behind it. A deleted schedule cannot be locked: its waiting
-- runs are freed. Executed last, after the ends of runs. Answers the freed runs (see late_runs.py).
UPDATE cloaca_run AS next SET behind = (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.schedule_id = next.schedule_id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.workflow = next.workflow
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
        AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = next.schedule_id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
)
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
WHERE next.behind = ANY(ARRAY[wanted.id]) AND next.behind IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS before
        WHERE before.id = ANY(ARRAY[wanted.id]) AND +before.ended_at IS NULL
    )
RETURNING next.id;
