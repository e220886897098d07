-- Statements that steer runs and that PostgreSQL words in its own way, by the rules at the head of
-- runs.sql, and why.
--
-- * lock_schedules_of, lock_steered, lock_schedules_of_cancelled: locks, taken by id.
-- * end_cancelled: locks the runs by id before it changes them.


-- name: lock_schedules_of
-- Lock the schedules that have made these runs: who decides their ticks waits, and then finds these
-- runs ended.
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id IN (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.id = ANY(CAST(:ids AS TEXT[])) AND run.schedule_id IS NOT NULL
)
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


-- name: lock_steered
-- Lock these runs: what the later statements of the transaction find is what they are decided by.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(CAST(:ids AS TEXT[]))
ORDER BY run.id
FOR NO KEY UPDATE OF run;


-- name: lock_schedules_of_cancelled
-- Lock the schedules that have made runs of this runner that are being cancelled.
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id IN (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
        AND run.schedule_id IS NOT NULL
)
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


-- name: end_cancelled
-- End the runs that this runner owns and that are being cancelled, beside those that it still holds: it
-- gives them back, or (:fenced 1, and only if that is so) is dead.
WITH mine AS MATERIALIZED (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
        AND run.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
        AND (
            :fenced = 0
            OR EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
        )
    ORDER BY run.id
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_run AS run
SET status = 'Cancelled', final_context = run.input, error_message = run.steer_reason,
    reason_code = 'cancelled', ended_at = :now, owner = NULL, epoch = run.epoch + 1
FROM mine
WHERE run.id = ANY(ARRAY[mine.id]) AND run.owner = :runner_id AND +run.ended_at IS NULL
RETURNING run.id;
