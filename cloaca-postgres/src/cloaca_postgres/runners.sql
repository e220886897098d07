-- Statements about runners that PostgreSQL words in its own way, and why. The rules are at the head
-- of runs.sql.
--
-- * shut_out, fence: lock the runner's row, which each transaction that writes for the runner
--   holds.
-- * release, count_crashes, take_over_runs: their plans. lock_owned (see steering.sql) has locked the
--   runs by id before.


-- name: shut_out
-- Wait until the runner's open transactions have ended, and keep it from writing until this
-- transaction ends: each of its writes locks its row.
SELECT id FROM cloaca_runner WHERE id = :runner_id FOR UPDATE;


-- name: release
-- Give up the runner's unfinished runs except :held and those that are being cancelled. No crash is
-- counted.
WITH mine AS MATERIALIZED (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NULL
        AND run.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
    ORDER BY run.id
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_run AS run SET owner = NULL, epoch = run.epoch + 1
FROM mine
WHERE run.id = ANY(ARRAY[mine.id]) AND run.owner = :runner_id AND +run.ended_at IS NULL
RETURNING run.id;


-- name: fence
-- Declare a runner dead if its beat is still :seen_beat. A returned row means that it is dead,
-- since now or since earlier.
WITH doomed AS MATERIALIZED (
    SELECT id FROM cloaca_runner
    WHERE id = :id AND (beat = :seen_beat OR fenced = 1)
    FOR UPDATE
)
UPDATE cloaca_runner AS runner SET fenced = 1
FROM doomed
WHERE runner.id = doomed.id
RETURNING runner.id;


-- name: count_crashes
-- First half of a takeover: find the first runs of a fenced runner that are not being cancelled, and
-- count a crash for each attempt that was running in the dead process. take_over_runs finds the same
-- runs: they are locked, and a fenced runner gets no new ones.
WITH doomed AS MATERIALIZED (
    SELECT run.id, run.epoch FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NULL
        AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
    ORDER BY run.workflow, run.id LIMIT :limit
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_attempt AS attempt SET crashes = attempt.crashes + 1
FROM doomed
WHERE attempt.run_id = ANY(ARRAY[doomed.id]) AND attempt.epoch = doomed.epoch
    AND attempt.status = 'Running';


-- name: take_over_runs
-- Second half of a takeover: free these runs.
WITH doomed AS MATERIALIZED (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NULL
        AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
    ORDER BY run.workflow, run.id LIMIT :limit
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_run AS run
SET owner = NULL, epoch = run.epoch + 1, recoveries = run.recoveries + 1
FROM doomed
WHERE run.id = ANY(ARRAY[doomed.id]) AND run.owner = :runner_id AND +run.ended_at IS NULL
RETURNING run.id;
