-- Statements about what follows the ends of runs, as PostgreSQL words them, and why. The rules are at the
-- head of runs.sql.
--
-- * to_json writes a text as JSON; SQLite has json_quote for that.
-- * An id is a UUIDv7 as in values/ids.py: how many runs there are is known only within the transaction.
--   All but its time and its version is that of a random UUID.


-- name: insert_follow_up
-- Add the runs that follow the ends of others, as far as those have ended in these states and their
-- owner has written that. Executed again, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, follows,
    follows_round, follows_place
)
SELECT
    :new.id, :new.submits, coalesce(known.version, ''),
    left(:new.content, -1) || ',"run_id":"' || run.id || '","status":"' || run.status
        || '","error":' || coalesce(CAST(to_json(run.error_message) AS TEXT), 'null') || '}',
    '{}', run.ended_at, run.ended_at, coalesce(known.queue, 'default'),
    0, 'Pending', run.id, run.round, :new.place
FROM :rows AS new
JOIN cloaca_run AS run
    ON run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND run.status = :new.status AND +run.ended_at IS NOT NULL
JOIN cloaca_runner AS runner ON runner.id = :new.runner_id AND runner.fenced = 0
LEFT JOIN cloaca_workflow AS known ON known.workflow IN [:new.submits]
ON CONFLICT DO NOTHING;


-- name: follow_ends
-- Add the runs that follow the ends of these, which were ended at :now for :reason_code: those that the
-- newest recorded versions of their workflows ask for. Executed again, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, follows,
    follows_round, follows_place
)
SELECT
    overlay(CAST(gen_random_uuid() AS TEXT) PLACING
        lpad(to_hex((run.ended_at / 1000) >> 16), 8, '0') || '-'
        || lpad(to_hex((run.ended_at / 1000) & 65535), 4, '0') || '-7' FROM 1 FOR 15),
    ended.submits, coalesce(known.version, ''),
    left(ended.content, -1) || ',"run_id":"' || run.id || '","status":"' || run.status
        || '","error":' || coalesce(CAST(to_json(run.error_message) AS TEXT), 'null') || '}',
    '{}', run.ended_at, run.ended_at, coalesce(known.queue, 'default'),
    0, 'Pending', run.id, run.round, ended.place
FROM cloaca_run AS run
JOIN cloaca_workflow AS newest ON newest.workflow = ANY(ARRAY[run.workflow])
JOIN cloaca_when_ended AS ended
    ON ended.workflow = ANY(ARRAY[newest.workflow]) AND ended.version = newest.version
    AND ended.status = run.status
LEFT JOIN cloaca_workflow AS known ON known.workflow = ANY(ARRAY[ended.submits])
WHERE run.id = ANY(CAST(:ids AS TEXT[])) AND +run.ended_at = :now
    AND run.reason_code = :reason_code
ON CONFLICT DO NOTHING;


-- name: follow_cancelled
-- The same for runs that mark_cancelled has named. They can be found as long as they have not ended.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, follows,
    follows_round, follows_place
)
SELECT
    overlay(CAST(gen_random_uuid() AS TEXT) PLACING
        lpad(to_hex((CAST(:now AS BIGINT) / 1000) >> 16), 8, '0') || '-'
        || lpad(to_hex((CAST(:now AS BIGINT) / 1000) & 65535), 4, '0') || '-7' FROM 1 FOR 15),
    ended.submits, coalesce(known.version, ''),
    left(ended.content, -1) || ',"run_id":"' || run.id || '","status":"Cancelled","error":'
        || coalesce(CAST(to_json(run.steer_reason) AS TEXT), 'null') || '}',
    '{}', CAST(:now AS BIGINT), CAST(:now AS BIGINT), coalesce(known.queue, 'default'),
    0, 'Pending', run.id, run.round, ended.place
FROM cloaca_run AS run
JOIN cloaca_workflow AS newest ON newest.workflow = ANY(ARRAY[run.workflow])
JOIN cloaca_when_ended AS ended
    ON ended.workflow = ANY(ARRAY[newest.workflow]) AND ended.version = newest.version
    AND ended.status = 'Cancelled'
LEFT JOIN cloaca_workflow AS known ON known.workflow = ANY(ARRAY[ended.submits])
WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
    AND run.status = 'Cancelled'
ON CONFLICT DO NOTHING;
