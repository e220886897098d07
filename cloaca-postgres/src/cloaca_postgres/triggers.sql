-- Statements about triggers that PostgreSQL words in its own way, by the rules at the head of
-- runs.sql.


-- name: lock_triggers
-- Lock these triggers by id: who else fires them waits, and then sees the runs that are there. After
-- schedules, before the runner and the runs; nothing that holds those asks for triggers.
SELECT known.id
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_trigger AS known ON known.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF known;


-- name: triggers_named
-- The triggers of these names.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name = ANY(CAST(:names AS TEXT[]));


-- name: known_events
-- Which of these keys events of a trigger have.
SELECT event_key FROM cloaca_event
WHERE trigger_id = :trigger_id AND event_key = ANY(CAST(:keys AS TEXT[]));
