-- Statements that steer runs and that PostgreSQL words in its own way, by the rules at the head of
-- runs.sql, and why.
--
-- * lock_schedules_of, lock_steered: locks, taken by id.


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
-- Lock these runs, and the roots of their trees, which prune locks: what the later statements of the
-- transaction find is what they are decided by.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(CAST(:ids AS TEXT[]) || ARRAY(
        SELECT part.root_id FROM cloaca_run AS part
        WHERE part.id = ANY(CAST(:ids AS TEXT[])) AND part.root_id IS NOT NULL
    ))
ORDER BY run.id
FOR NO KEY UPDATE OF run;
