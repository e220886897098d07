-- Statements that steer runs and that PostgreSQL words in its own way, by the rules at the head of
-- runs.sql, and why.
--
-- * lock_schedules_of, lock_steered, lock_schedules_of_owned, lock_owned: locks, taken by id.
-- * lock_paused_workflows: a lock on another row, since that of the workflow may not be there.
-- * mark_cancelled: passes over runs that it would have to wait for; lock_owned has all that count.
-- * start_after_cancelled: its plan, as that of start_next.
-- * restart_tasks: rows.


-- name: lock_schedules_of
-- Lock the schedules that have made these runs: who decides their ticks waits, and then finds these
-- runs ended.
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id IN (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.id = ANY(CAST(:ids AS TEXT[])) AND run.schedule_id IS NOT NULL
)
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


-- name: lock_steered
-- Lock these runs, and the roots of their trees, which prune locks: what the later statements of the
-- transaction find is what they are decided by.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(CAST(:ids AS TEXT[]) || ARRAY(
        SELECT part.root_id FROM cloaca_run AS part
        WHERE part.id = ANY(CAST(:ids AS TEXT[])) AND part.root_id IS NOT NULL
    ))
ORDER BY run.id
FOR NO KEY UPDATE OF run;


-- name: lock_paused_workflows
-- Let one of the transactions that pause or resume workflows go on. The row is one that is always
-- there and that no other transaction locks.
SELECT number FROM cloaca_migration WHERE number = 1 FOR NO KEY UPDATE;


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


-- name: start_after_cancelled
-- Let start what waits behind runs that mark_cancelled has named, by the rule of start_next. They can
-- be found as long as they have not ended.
UPDATE cloaca_run AS next SET behind = (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.schedule_id = next.schedule_id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.status <> 'Cancelled' AND earlier.workflow = next.workflow
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
        AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = next.schedule_id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
)
FROM cloaca_run AS before
WHERE before.owner = :runner_id AND before.ended_at IS NULL AND before.cancel_at IS NOT NULL
    AND before.status = 'Cancelled'
    AND next.behind = ANY(ARRAY[before.id]) AND next.behind IS NOT NULL;


-- name: restart_tasks
-- Let the attempts of tasks before :first_attempt be history. A task that did not start in the round
-- before has a row with that attempt already.
INSERT INTO cloaca_restart (run_id, task_id, first_attempt, round, with_children)
SELECT act.run_id, new.task_id, new.first_attempt, act.round + 1, new.with_children
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:id AS TEXT[]), CAST(:task_id AS TEXT[]),
    CAST(:first_attempt AS BIGINT[]), CAST(:with_children AS INTEGER[])
) AS new (run_id, id, task_id, first_attempt, with_children)
JOIN cloaca_act AS act
    ON act.run_id = ANY(ARRAY[new.run_id]) AND act.id = ANY(ARRAY[new.id]) AND act.changed = 2
ON CONFLICT (run_id, task_id, first_attempt) DO UPDATE SET
    round = excluded.round, with_children = excluded.with_children;
