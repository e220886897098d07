-- Statements of upkeep that PostgreSQL words in its own way, by the rules at the head of runs.sql, and
-- why.
--
-- * lock_expired, lock_ticked_schedules, lock_mark: locks, taken by id.


-- name: lock_expired
-- Lock these runs: what begins them again, or adds a run to their trees, waits, and then finds the
-- tombstone.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(CAST(:ids AS TEXT[]))
ORDER BY run.id
FOR UPDATE OF run;


-- name: lock_ticked_schedules
-- Lock the schedules whose ticks have made these runs: a transaction that back-fills a tick waits, and
-- then finds it forgotten. Executed before runs are locked.
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id = ANY(ARRAY(
    SELECT tick.schedule_id FROM cloaca_run AS run
    JOIN cloaca_tick AS tick ON tick.created_at = run.created_at AND tick.run_id = run.id
    WHERE run.id = ANY(CAST(:ids AS TEXT[]))
))
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


-- name: lock_mark
-- Lock this schedule, for the same reason.
SELECT id FROM cloaca_schedule WHERE id = :schedule_id FOR NO KEY UPDATE;
