-- Statements about triggers that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * lock_triggers: locks triggers by id.


-- name: lock_triggers
-- Lock these triggers by id. Another transaction that fires them waits here, and then sees the runs
-- that this one made. Executed after schedules are locked and before the runner and runs are: no
-- transaction that holds those waits for a trigger.
SELECT known.id
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_trigger AS known ON known.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF known;
