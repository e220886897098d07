-- Statements about runners that PostgreSQL words in its own way, and why. The rules are at the head
-- of runs.sql.
--
-- * fence: locks the runner's row, which each transaction that writes for the runner holds.
-- * release, count_crashes, take_over_runs: their plans. lock_owned has locked the runs by id before.
-- * lock_schedules_of_owned, lock_owned: locks, taken by id.
-- * mark_cancelled: passes over runs that it would have to wait for; lock_owned has all that count.


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
-- count a crash for each attempt that was running in the dead process. A suspect is one for which
-- :suspect_after crashes were counted: from then on only those count under which it ran alone. A body
-- on an executor cannot have killed the process. take_over_runs finds the same runs: they are locked,
-- and a fenced runner gets no new ones.
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
    AND attempt.status = 'Running'
    AND (
        attempt.reason_code = 'alone'
        OR (attempt.reason_code IS NULL AND attempt.crashes < :suspect_after)
    );


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


-- name: lock_schedules_of_owned
-- Lock the schedules that have made the runs that this runner gives up. Its runs are found first: else
-- a plan may read all that schedules have made.
WITH mine AS MATERIALIZED (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL
        AND run.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
)
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id IN (SELECT mine.schedule_id FROM mine WHERE mine.schedule_id IS NOT NULL)
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


-- name: lock_owned
-- Lock the runs that this runner gives up beside :held: those that are being cancelled, and the first
-- :limit others, all in one order. Later statements find among them what they change.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(ARRAY(
        SELECT mine.id FROM cloaca_run AS mine
        WHERE mine.owner = :runner_id AND mine.ended_at IS NULL AND mine.cancel_at IS NOT NULL
            AND mine.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
        UNION ALL (
            SELECT mine.id FROM cloaca_run AS mine
            WHERE mine.owner = :runner_id AND mine.ended_at IS NULL AND mine.cancel_at IS NULL
                AND mine.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
            ORDER BY mine.workflow, mine.id LIMIT :limit
        )
    ))
ORDER BY run.id
FOR NO KEY UPDATE OF run;


-- name: mark_cancelled
-- Name the runs that end_cancelled is to end: those that this runner owns and that are being cancelled,
-- beside those that it still holds. It gives them up, or (:fenced 1, and only if that is so) is dead.
WITH mine AS MATERIALIZED (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
        AND run.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
        AND (
            :fenced = 0
            OR EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
        )
    FOR NO KEY UPDATE OF run SKIP LOCKED
)
UPDATE cloaca_run AS run SET status = 'Cancelled'
FROM mine
WHERE run.id = ANY(ARRAY[mine.id]) AND run.owner = :runner_id AND +run.ended_at IS NULL;
