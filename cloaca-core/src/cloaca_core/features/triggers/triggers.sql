-- Event triggers, their events, and the runs of events. Read the head of store/sql/runs.sql first.


-- name: lock_triggers
-- Lock these triggers by id. Another transaction that fires them waits here, and then sees the runs
-- that this one made. Executed after schedules are locked and before the runner and runs are: no
-- transaction that holds those waits for a trigger.
SELECT id FROM cloaca_trigger
WHERE id IN :ids
ORDER BY id
FOR NO KEY UPDATE;


-- name: insert_event
-- Record an event that a trigger found, if it may make a run. The trigger must be enabled and,
-- where :generation is given, still have this generation. Of events with the same key only the
-- first counts. Unless :allow_concurrent is 1, no unfinished run of the trigger may have the same
-- context. Runs of a workflow that the trigger had before do not count: possibly no runner has that
-- workflow any more, and they would stop the trigger for ever.
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
-- Add the run of an event, if the event's row names this run. The run has no owner yet.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, schedule_id,
    context_hash
)
SELECT
    :run_id, :workflow, :version, :input, '{}', :created_at, :created_at, coalesce((
        SELECT known.queue FROM cloaca_workflow AS known WHERE known.workflow = :workflow
    ), 'default'), 0, 'Pending', :trigger_id, :context_hash
WHERE EXISTS (SELECT 1 FROM cloaca_event WHERE id = :id AND run_id = :run_id)
ON CONFLICT DO NOTHING;


-- name: take_poll
-- Go on to the next poll or tick of a trigger, unless another runner has done so since the trigger
-- was read. A returned row means that this poll is the caller's.
UPDATE cloaca_trigger
SET last_poll_at = :last_poll_at, next_poll_at = :next_poll_at, generation = generation + 1,
    failed_polls = failed_polls + CASE WHEN last_error IS NULL THEN 0 ELSE 1 END
WHERE id = :id AND generation = :generation AND enabled = 1
RETURNING id;


-- name: note_poll_error
-- Note the error of the last poll of a trigger. It counts as one failed poll if the poll before was good;
-- take_poll counts the next ones. A poll that ends after a later one was taken is not noted.
UPDATE cloaca_trigger
SET failed_polls = CASE WHEN last_error IS NULL THEN 1 ELSE failed_polls END,
    last_error = :error, error_at = :now, failing_since = coalesce(failing_since, :now)
WHERE id = :id AND generation = :generation;


-- name: clear_poll_error
-- Note that the last poll of a trigger was good.
UPDATE cloaca_trigger
SET last_error = NULL, failing_since = NULL, failed_polls = 0, error_at = NULL
WHERE id = :id AND generation = :generation AND last_error IS NOT NULL;


-- name: add_trigger
-- Add a trigger, unless there is one that has this name.
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


-- name: note_trigger_act
-- Note an act on a trigger, if it is there and in this generation. Executed after lock_triggers and
-- before change_trigger.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :act_id, '', :act_workflow, 0, :act_kind, :asked_by, CAST(:act_reason AS TEXT), 1, :acted_at
WHERE EXISTS (SELECT 1 FROM cloaca_trigger WHERE id = :id AND generation = :generation)
ON CONFLICT DO NOTHING;


-- name: change_trigger
-- Change what a trigger does, whether it is polled, and when, if its generation is still
-- :generation.
UPDATE cloaca_trigger
SET workflow = CAST(:workflow AS TEXT), poll_interval_ms = CAST(:poll_interval_ms AS BIGINT),
    cron_expression = CAST(:cron_expression AS TEXT), timezone = CAST(:timezone AS TEXT),
    allow_concurrent = :allow_concurrent, enabled = :enabled,
    next_poll_at = CAST(:next_poll_at AS BIGINT), updated_at = :updated_at,
    generation = generation + 1
WHERE id = :id AND generation = :generation
RETURNING id;


-- name: triggers_named
-- Read the triggers that have these names.
SELECT :columns(trigger)
FROM cloaca_trigger WHERE name IN :names;


-- name: list_triggers
-- List triggers by name: all, or (:enabled_only 1) those that are enabled. Every name is greater
-- than '': the condition only makes the planner use the index that has this order.
SELECT :columns(trigger)
FROM cloaca_trigger WHERE name > '' AND enabled >= :enabled_only
ORDER BY name LIMIT :limit OFFSET :offset;


-- name: failing_triggers
-- List the enabled triggers whose last poll failed, up to :limit, those that fail for longest first.
SELECT :columns(trigger)
FROM cloaca_trigger WHERE enabled = 1 AND last_error IS NOT NULL
ORDER BY failing_since, name LIMIT :limit;


-- name: known_events
-- Find which of these event keys a trigger has recorded.
SELECT event_key FROM cloaca_event
WHERE trigger_id = :trigger_id AND event_key IN :keys;


-- name: list_events
-- List the events of a trigger and their runs, newest first, with the end of each run that has
-- ended. Events whose runs were pruned are left out.
SELECT event.id, event.trigger_id, event.context_hash, event.run_id, event.created_at,
    run.ended_at
FROM cloaca_event AS event
JOIN cloaca_run AS run ON run.id = event.run_id
WHERE event.trigger_id = :trigger_id
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ORDER BY event.created_at DESC, event.id DESC LIMIT :limit OFFSET :offset;
