-- Statements about triggers with a list as a parameter, which json_each unpacks.


-- name: lock_triggers
-- BEGIN IMMEDIATE has locked them.
SELECT id FROM cloaca_trigger WHERE id IN (SELECT value FROM json_each(:ids));


-- name: triggers_named
-- The triggers of these names.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name IN (SELECT value FROM json_each(:names));


-- name: known_events
-- Which of these keys events of a trigger have.
SELECT event_key FROM cloaca_event
WHERE trigger_id = :trigger_id AND event_key IN (SELECT value FROM json_each(:keys));
