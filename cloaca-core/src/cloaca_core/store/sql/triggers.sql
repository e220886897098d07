-- Event triggers, their events, and the runs of events. Read the head of runs.sql first.


-- name: lock_triggers
-- Which of these triggers are there; a database that lets several transactions write locks them.
SELECT id FROM cloaca_trigger WHERE id IN :ids;


-- name: insert_event
-- Note what a trigger found, if that may make a run: while the trigger is enabled (and, where
-- its decision depends on it, still what it was made from), of events with one key only the first,
-- and where runs are not to be concurrent no second one of a context. Runs of the workflow that the
-- trigger had before may be nobody's any more, and would stop it for ever.
INSERT INTO cloaca_event (id, trigger_id, event_key, context_hash, run_id, created_at)
SELECT
    :id, :trigger_id, CAST(:event_key AS TEXT), CAST(:context_hash AS TEXT), :run_id, :created_at
WHERE EXISTS (
        SELECT 1 FROM cloaca_trigger
        WHERE id = :trigger_id AND enabled = 1
            AND generation = coalesce(CAST(:generation AS BIGINT), generation)
    )
    AND (
        :allow_concurrent = 1
        OR NOT EXISTS (
            SELECT 1 FROM cloaca_run
            WHERE schedule_id = :trigger_id AND context_hash = CAST(:context_hash AS TEXT)
                AND ended_at IS NULL AND workflow = :workflow
        )
    )
ON CONFLICT DO NOTHING;


-- name: insert_event_run
-- Add the run of an event that is ours. It belongs to nobody yet.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, epoch, status, schedule_id, context_hash
)
SELECT
    :run_id, :workflow, :version, :input, '{}', :created_at, 0, 'Pending', :trigger_id,
    :context_hash
WHERE EXISTS (SELECT 1 FROM cloaca_event WHERE id = :id AND run_id = :run_id)
ON CONFLICT DO NOTHING;


-- name: take_poll
-- Go on to the next poll or tick of a trigger, if nobody else has since it was seen. A row is the
-- answer that this one is ours.
UPDATE cloaca_trigger
SET last_poll_at = :last_poll_at, next_poll_at = :next_poll_at, generation = generation + 1
WHERE id = :id AND generation = :generation AND enabled = 1
RETURNING id;


-- name: add_trigger
-- Add a trigger, unless there is one of this name.
INSERT INTO cloaca_trigger (
    id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
)
VALUES (
    :id, :name, CAST(:workflow AS TEXT), CAST(:poll_interval_ms AS BIGINT),
    CAST(:cron_expression AS TEXT), CAST(:timezone AS TEXT), :allow_concurrent, :enabled,
    NULL, CAST(:next_poll_at AS BIGINT), 0, :created_at, :created_at
)
ON CONFLICT DO NOTHING
RETURNING id;


-- name: change_trigger
-- Change what a trigger that is seen in this generation is, whether it is polled, and when.
UPDATE cloaca_trigger
SET workflow = CAST(:workflow AS TEXT), poll_interval_ms = CAST(:poll_interval_ms AS BIGINT),
    cron_expression = CAST(:cron_expression AS TEXT), timezone = CAST(:timezone AS TEXT),
    allow_concurrent = :allow_concurrent, enabled = :enabled,
    next_poll_at = CAST(:next_poll_at AS BIGINT), updated_at = :updated_at,
    generation = generation + 1
WHERE id = :id AND generation = :generation
RETURNING id;


-- name: triggers_named
-- The triggers of these names.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name IN :names;


-- name: list_triggers
-- Triggers by name, all or (enabled_only 1) those that are enabled. Each has a name: that it is
-- asked for leads to the index, which has the order.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name > '' AND enabled >= :enabled_only
ORDER BY name LIMIT :limit OFFSET :offset;


-- name: known_events
-- Which of these keys events of a trigger have.
SELECT event_key FROM cloaca_event
WHERE trigger_id = :trigger_id AND event_key IN :keys;


-- name: list_events
-- What a trigger found and made a run for, newest first, with the end of the run if that is over.
SELECT event.id, event.trigger_id, event.context_hash, event.run_id, event.created_at,
    run.ended_at
FROM cloaca_event AS event
LEFT JOIN cloaca_run AS run ON run.id = event.run_id
WHERE event.trigger_id = :trigger_id
ORDER BY event.created_at DESC, event.id DESC LIMIT :limit OFFSET :offset;
