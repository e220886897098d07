-- Statements about triggers that PostgreSQL words in its own way, by the rules at the head of runs.sql,
-- and why.
--
-- * lock_triggers: locks, taken by id.


-- name: lock_triggers
-- Lock these triggers by id: who else fires them waits, and then sees the runs that are there. After
-- schedules, before the runner and the runs; nothing that holds those asks for triggers.
SELECT known.id
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_trigger AS known ON known.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF known;
