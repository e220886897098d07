-- Statements about what follows the ends of runs, as SQLite words them, and why.
--
-- * json_quote writes a text, or NULL, as JSON; PostgreSQL has to_json for that.
-- * An id is a UUIDv7 as in values/ids.py: how many runs there are is known only within the transaction.
--   PostgreSQL makes its random part of a UUID.
-- * CROSS JOIN keeps SQLite from reading all recorded workflows for the few runs.


-- name: insert_follow_up
-- Add the run that follows the end of another, if that has ended in this state and its owner has written
-- that. Executed again, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, follows,
    follows_round, follows_place
)
SELECT
    :id, :submits,
    coalesce((SELECT known.version FROM cloaca_workflow AS known WHERE known.workflow = :submits), ''),
    substr(:content, 1, length(:content) - 1) || ',"run_id":"' || run.id || '","status":"'
        || run.status || '","error":' || json_quote(run.error_message) || '}',
    '{}', run.ended_at, run.ended_at,
    coalesce((SELECT known.queue FROM cloaca_workflow AS known WHERE known.workflow = :submits), 'default'),
    0, 'Pending', run.id, run.round, :place
FROM cloaca_run AS run
WHERE run.id = :run_id AND run.owner = :runner_id AND run.epoch = :fence
    AND run.ended_at IS NOT NULL AND run.status = :status
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
ON CONFLICT DO NOTHING;


-- name: follow_ends
-- Add the runs that follow the ends of these, which were ended at :now for :reason_code: those that the
-- newest recorded versions of their workflows ask for. Executed again, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, follows,
    follows_round, follows_place
)
SELECT
    printf(
        '%08x-%04x-7%03x-%04x-%012x', (:now / 1000) >> 16, (:now / 1000) & 65535,
        random() & 4095, 32768 + (random() & 16383), random() & 281474976710655
    ),
    ended.submits, coalesce(known.version, ''),
    substr(ended.content, 1, length(ended.content) - 1) || ',"run_id":"' || run.id
        || '","status":"' || run.status || '","error":' || json_quote(run.error_message) || '}',
    '{}', :now, :now, coalesce(known.queue, 'default'), 0, 'Pending', run.id, run.round,
    ended.place
FROM cloaca_run AS run
CROSS JOIN cloaca_workflow AS newest ON newest.workflow = run.workflow
CROSS JOIN cloaca_when_ended AS ended
    ON ended.workflow = newest.workflow AND ended.version = newest.version
    AND ended.status = run.status
LEFT JOIN cloaca_workflow AS known ON known.workflow = ended.submits
WHERE run.id IN :ids AND run.ended_at = :now AND run.reason_code = :reason_code
ON CONFLICT DO NOTHING;


-- name: follow_cancelled
-- The same for runs that mark_cancelled has named. They can be found as long as they have not ended.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, queue, epoch, status, follows,
    follows_round, follows_place
)
SELECT
    printf(
        '%08x-%04x-7%03x-%04x-%012x', (:now / 1000) >> 16, (:now / 1000) & 65535,
        random() & 4095, 32768 + (random() & 16383), random() & 281474976710655
    ),
    ended.submits, coalesce(known.version, ''),
    substr(ended.content, 1, length(ended.content) - 1) || ',"run_id":"' || run.id
        || '","status":"Cancelled","error":' || json_quote(run.steer_reason) || '}',
    '{}', :now, :now, coalesce(known.queue, 'default'), 0, 'Pending', run.id, run.round,
    ended.place
FROM cloaca_run AS run
CROSS JOIN cloaca_workflow AS newest ON newest.workflow = run.workflow
CROSS JOIN cloaca_when_ended AS ended
    ON ended.workflow = newest.workflow AND ended.version = newest.version
    AND ended.status = 'Cancelled'
LEFT JOIN cloaca_workflow AS known ON known.workflow = ended.submits
WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
    AND run.status = 'Cancelled'
ON CONFLICT DO NOTHING;
