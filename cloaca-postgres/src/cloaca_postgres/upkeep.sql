-- Statements of upkeep that PostgreSQL words in its own way, by the rules at the head of runs.sql, and
-- why.
--
-- * lock_expired, lock_ticked_schedules, lock_mark: locks, taken by id.
-- * erase_ticks, erase_lost: their plans.


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


-- name: erase_ticks
-- Forget the oldest :limit ticks of a schedule, deleted or not, that have no run (any more), were
-- decided before :before, and cannot fire again.
DELETE FROM cloaca_tick AS old
WHERE old.schedule_id = :schedule_id
    AND old.tick = ANY(ARRAY(
        SELECT tick.tick FROM cloaca_tick AS tick
        WHERE tick.schedule_id = :schedule_id AND tick.tick < :before AND +tick.created_at < :before
            AND (SELECT run.id FROM cloaca_run AS run WHERE run.id = tick.run_id LIMIT 1) IS NULL
            AND (
                SELECT schedule.id FROM cloaca_schedule AS schedule
                WHERE schedule.id = tick.schedule_id
                    AND tick.tick > coalesce(schedule.pruned_until, -1)
                LIMIT 1
            ) IS NULL
        ORDER BY tick.tick LIMIT :limit
    ))
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_lost
-- Delete counts of ticks of a schedule that were dropped before :before.
DELETE FROM cloaca_lost AS old
WHERE old.schedule_id = :schedule_id
    AND old.decided_until = ANY(ARRAY(
        SELECT lost.decided_until FROM cloaca_lost AS lost
        WHERE lost.schedule_id = :schedule_id AND lost.created_at < :before
        ORDER BY lost.decided_until LIMIT :limit
    ))
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;
