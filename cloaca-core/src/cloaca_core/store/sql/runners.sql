-- Runners, their leases, and the release and takeover of their runs. Read the head of runs.sql first.


-- name: register
-- Add a runner. Executed again, it changes nothing.
INSERT INTO cloaca_runner (
    id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at, protocol,
    queues, number
)
VALUES (
    :id, :boot_id, :pid_namespace, :pid, :process_start, 0, :lease_until, 0, :started_at, :protocol,
    CAST(:queues AS TEXT), CAST(:number AS BIGINT)
)
ON CONFLICT DO NOTHING;


-- name: name_runner
-- Write the name of a runner that was just added, which stays when the runner is gone.
INSERT INTO cloaca_runner_name (number, id, host, process)
SELECT runner.number, runner.id, CAST(:host AS TEXT), runner.pid
FROM cloaca_runner AS runner
WHERE runner.id = :id AND runner.number = CAST(:number AS BIGINT)
ON CONFLICT DO NOTHING;


-- name: runner_names
-- Find the names of runners by their numbers.
SELECT number, id, host, process FROM cloaca_runner_name WHERE number IN :numbers ORDER BY number;


-- name: get_runner
-- Read one runner, to check whether its id belongs to the process that registered it.
SELECT id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at, protocol,
    draining_since, idle_since, sharing, NULL AS host, queues
FROM cloaca_runner WHERE id = :id;


-- name: list_runners
-- List all runners, oldest first.
SELECT cloaca_runner.id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced,
    started_at, protocol, draining_since, idle_since, sharing, name.host, queues
FROM cloaca_runner
LEFT JOIN cloaca_runner_name AS name ON name.number = cloaca_runner.number
ORDER BY started_at, cloaca_runner.id;


-- name: beat
-- Renew a runner's lease, unless another runner has declared this one dead.
UPDATE cloaca_runner
SET beat = beat + 1, lease_until = :lease_until, idle_since = CAST(:idle_since AS BIGINT),
    sharing = CAST(:sharing AS TEXT)
WHERE id = :id AND fenced = 0
RETURNING id;


-- name: drain
-- Ask a live runner to leave. The first time counts.
UPDATE cloaca_runner SET draining_since = COALESCE(draining_since, :now)
WHERE id = :id AND fenced = 0
RETURNING draining_since;


-- name: note_drain
-- Note who has asked a runner to leave, if that was now and not before. Executed after drain.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :act_id, '', :act_workflow, 0, :act_kind, :asked_by, CAST(:act_reason AS TEXT), 1, :acted_at
WHERE EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :id AND draining_since = :now AND fenced = 0)
ON CONFLICT DO NOTHING;


-- name: shut_out
-- Wait until the runner's open transactions have ended, and keep it from writing until this
-- transaction ends: each of its writes locks its row.
SELECT id FROM cloaca_runner WHERE id = :runner_id
FOR UPDATE;


-- name: release
-- Give up the runner's unfinished runs except :held and those that are being cancelled. No crash is
-- counted.
UPDATE cloaca_run SET owner = NULL, epoch = epoch + 1
WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NULL AND NOT id IN :held
RETURNING id;


-- name: unregister
-- Remove a runner.
DELETE FROM cloaca_runner WHERE id = :id;


-- name: forget_runner
-- Forget which runs a runner has left that is not there any more.
DELETE FROM cloaca_unserved
WHERE runner_id = :runner_id AND NOT EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id);


-- name: fence
-- Declare a runner dead if its beat is still :seen_beat. A returned row means that it is dead,
-- since now or since earlier.
UPDATE cloaca_runner SET fenced = 1
WHERE id = :id AND (beat = :seen_beat OR fenced = 1)
RETURNING id;


-- name: count_crashes
-- First half of a takeover: count a crash for each attempt that was running in the dead process. A
-- suspect is one for which :suspect_after crashes were counted: from then on only those count under
-- which it ran alone. A body on an executor cannot have killed the process.
-- The runs are those that take_over_runs frees in the same transaction; none is being cancelled.
UPDATE cloaca_attempt SET crashes = crashes + 1
WHERE status = 'Running'
    AND (reason_code = 'alone' OR (reason_code IS NULL AND crashes < :suspect_after))
    AND run_id IN (
        SELECT id FROM cloaca_run
        WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NULL
        ORDER BY workflow, id LIMIT :limit
    )
    AND epoch = (SELECT run.epoch FROM cloaca_run AS run WHERE run.id = cloaca_attempt.run_id)
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1);


-- name: take_over_runs
-- Second half of a takeover: free runs of a fenced runner, in the order of the index. Without the
-- owner outside, the runs are found by id, and not among all of the runner's.
UPDATE cloaca_run SET owner = NULL, epoch = epoch + 1, recoveries = recoveries + 1
WHERE id IN (
        SELECT id FROM cloaca_run
        WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NULL
        ORDER BY workflow, id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
RETURNING id;


-- name: note_lost
-- Note that a fenced runner is lost, and what becomes of its runs in this transaction: of those that
-- take_over_runs frees, and of those that mark_cancelled has named. Executed before both are done.
INSERT INTO cloaca_lost_runner (
    id, started_at, pid, host, queues, sharing, lost_at, taken_over, begun_again, cancelled
)
SELECT runner.id, runner.started_at, runner.pid, name.host, runner.queues, runner.sharing, :now,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS run
            WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NULL
            LIMIT :limit
        ) AS freed
    ), (
        SELECT count(*) FROM (
            SELECT run.id, run.epoch FROM cloaca_run AS run
            WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NULL
            ORDER BY run.workflow, run.id LIMIT :limit
        ) AS freed
        WHERE EXISTS (
            SELECT 1 FROM cloaca_attempt AS attempt
            WHERE attempt.run_id = freed.id AND attempt.epoch = freed.epoch
                AND attempt.status = 'Running'
        )
    ), (
        SELECT count(*) FROM cloaca_run AS run
        WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
            AND run.status = 'Cancelled'
    )
FROM cloaca_runner AS runner
LEFT JOIN cloaca_runner_name AS name ON name.number = runner.number
WHERE runner.id = :runner_id AND runner.fenced = 1
ON CONFLICT (id, started_at) DO UPDATE SET
    taken_over = cloaca_lost_runner.taken_over + excluded.taken_over,
    begun_again = cloaca_lost_runner.begun_again + excluded.begun_again,
    cancelled = cloaca_lost_runner.cancelled + excluded.cancelled;


-- name: list_lost
-- List the runners that were lost since :since, up to :limit, the latest first.
SELECT id, started_at, pid, host, queues, sharing, lost_at, taken_over, begun_again, cancelled
FROM cloaca_lost_runner WHERE lost_at >= :since
ORDER BY lost_at DESC, id, started_at LIMIT :limit;


-- name: remove_emptied_runner
-- Delete a fenced runner that owns no unfinished run any more.
DELETE FROM cloaca_runner
WHERE id = :runner_id AND fenced = 1
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run WHERE owner = :runner_id AND ended_at IS NULL
    );


-- name: lock_schedules_of_owned
-- Which schedules have made the runs that this runner gives up; a database that lets several
-- transactions write locks them.
SELECT id FROM cloaca_schedule
WHERE id IN (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.schedule_id IS NOT NULL
        AND NOT run.id IN :held
);


-- name: lock_owned
-- Which of the runs that this runner gives up are being cancelled; a database that lets several
-- transactions write locks those, and :limit others.
SELECT id FROM cloaca_run
WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NOT NULL;


-- name: mark_cancelled
-- Name the runs that end_cancelled is to end: those that this runner owns and that are being cancelled,
-- beside those that it still holds. It gives them up, or (:fenced 1, and only if that is so) is dead.
UPDATE cloaca_run SET status = 'Cancelled'
WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NOT NULL AND NOT id IN :held
    AND (:fenced = 0 OR EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1));


-- name: end_cancelled
-- End the runs that mark_cancelled has named.
UPDATE cloaca_run
SET error_message = steer_reason, reason_code = 'cancelled', ended_at = :now, owner = NULL,
    epoch = epoch + 1
WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NOT NULL AND status = 'Cancelled'
RETURNING id;
