-- All that is recorded about one run, for ``explain``. Read the head of store/sql/runs.sql first.
-- All of these are read at once, and nothing is written.


-- name: run_as_it_stands
-- Read a run without its payloads, and what may hold it back.
SELECT :columns(RunRow AS run, input = '', final_context = '', claimable_at = 0, trace = NULL),
    run.behind, earlier.status AS behind_status, run.paused_at, run.paused_until,
    run.cancel_at, run.start_by,
    CASE WHEN EXISTS (SELECT 1 FROM cloaca_fork WHERE run_id = run.id) THEN 1 ELSE 0 END AS forked
FROM cloaca_run AS run
LEFT JOIN cloaca_run AS earlier ON earlier.id = run.behind
WHERE run.id = :run_id
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    );


-- name: pause_of_workflow
-- Read whether the workflow of a run is paused, and who has asked for that: its act has the time of the
-- pause.
SELECT paused.paused_until, act.asked_by, act.reason
FROM cloaca_run AS run
JOIN cloaca_paused_workflow AS paused ON paused.workflow = run.workflow
LEFT JOIN cloaca_act AS act ON act.run_id = '' AND act.id = (
    SELECT max(latest.id) FROM cloaca_act AS latest
    WHERE latest.created_at = paused.paused_at AND latest.created_at >= 0 AND latest.run_id = ''
        AND latest.workflow = paused.workflow AND latest.kind = 'pause' AND latest.changed = 1
)
WHERE run.id = :run_id;


-- name: claimable_ahead
-- Count the claimable runs of the same workflow and queue that come before this one, up to :most of each
-- kind: those of a higher priority, those that were claimable earlier, and those with a lower id. Each
-- kind is a range of the index of claimable runs.
SELECT
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.owner IS NULL AND before.ended_at IS NULL AND before.behind IS NULL
                AND before.paused_at IS NULL AND before.due_at IS NULL
                AND before.workflow = run.workflow AND before.queue = run.queue
                AND before.priority > run.priority
            LIMIT :most
        ) AS counted
    ) + (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.owner IS NULL AND before.ended_at IS NULL AND before.behind IS NULL
                AND before.paused_at IS NULL AND before.due_at IS NULL
                AND before.workflow = run.workflow AND before.queue = run.queue
                AND before.priority = run.priority
                AND before.claimable_at < run.claimable_at
            LIMIT :most
        ) AS counted
    ) + (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.owner IS NULL AND before.ended_at IS NULL AND before.behind IS NULL
                AND before.paused_at IS NULL AND before.due_at IS NULL
                AND before.workflow = run.workflow AND before.queue = run.queue
                AND before.priority = run.priority
                AND before.claimable_at = run.claimable_at AND before.id < run.id
            LIMIT :most
        ) AS counted
    )
FROM cloaca_run AS run WHERE run.id = :run_id;


-- name: outline_attempts
-- Read all attempts of the tasks of a run without the changes that they made.
SELECT :columns(AttemptRow, change = NULL)
FROM cloaca_attempt WHERE run_id = :run_id AND item = -1
ORDER BY task_id, attempt;


-- name: restarts_of_run
-- Read which tasks of this run were restarted.
SELECT run_id, task_id, first_attempt, round, with_children FROM cloaca_restart
WHERE run_id = :run_id AND item = -1
ORDER BY task_id, first_attempt;


-- name: unended_children
-- List up to :most runs that bodies of this run have submitted and that have not ended, oldest first.
SELECT id, workflow, status, idempotency_key FROM cloaca_run
WHERE parent_id = :run_id AND parent_id IS NOT NULL AND ended_at IS NULL
ORDER BY id LIMIT :most;


-- name: runner_loads
-- Read all runners, oldest first, with how many runs each owns, up to :most, and whether one of them is
-- of the workflow of this run.
SELECT runner.id, runner.boot_id, runner.pid_namespace, runner.pid, runner.process_start, runner.beat,
    runner.lease_until, runner.fenced, runner.started_at, runner.protocol, runner.draining_since,
    runner.idle_since, runner.sharing, name.host, runner.queues,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS owned
            WHERE owned.owner = runner.id AND owned.ended_at IS NULL LIMIT :most
        ) AS counted
    ) AS owned,
    CASE WHEN EXISTS (
        SELECT 1 FROM cloaca_run AS owned
        WHERE owned.owner = runner.id AND owned.ended_at IS NULL
            AND owned.workflow = (SELECT run.workflow FROM cloaca_run AS run WHERE run.id = :run_id)
    ) THEN 1 ELSE 0 END AS owns_workflow
FROM cloaca_runner AS runner
LEFT JOIN cloaca_runner_name AS name ON name.number = runner.number
ORDER BY runner.started_at, runner.id;


-- name: suspect_before
-- Read the body in the process of this run's owner that runs alone, or else is to run alone first. Its
-- process died :suspect_after times, so a run of it was taken over as often.
SELECT body.task_id, body.run_id
FROM cloaca_run AS run
JOIN cloaca_run AS owned ON owned.owner = run.owner AND owned.ended_at IS NULL
JOIN cloaca_attempt AS body ON body.run_id = owned.id
WHERE run.id = :run_id AND owned.owner IS NOT NULL AND owned.recoveries >= :suspect_after
    AND body.status = 'Running' AND body.crashes >= :suspect_after
    AND (body.reason_code IS NULL OR body.reason_code = 'alone')
ORDER BY CASE WHEN body.epoch = owned.epoch THEN 0 ELSE 1 END, owned.id, body.task_id
LIMIT 1;


-- name: runners_without_tasks
-- Read which runners have left this run, and the tasks that they lack.
SELECT runner_id, tasks FROM cloaca_unserved WHERE run_id = :run_id ORDER BY runner_id;


-- name: unread_of_run
-- Count the messages to a run that no task has taken.
SELECT kind, name, count(*), for_task, for_item FROM cloaca_message
WHERE run_id = :run_id AND taken_by IS NULL
GROUP BY kind, name, for_task, for_item
ORDER BY kind, name, coalesce(for_task, ''), for_item;


-- name: kept_steps
-- Count the steps that the tasks of a run have kept.
SELECT task_id, count(*) FROM cloaca_memo
WHERE run_id = :run_id AND kind = 'step'
GROUP BY task_id
ORDER BY task_id;


-- name: progress_of_run
-- Read how far the attempts of the tasks of a run have come that told it.
SELECT run_id, task_id, attempt, done, total, detail, told_at, item FROM cloaca_progress
WHERE run_id = :run_id AND item = -1
ORDER BY task_id, attempt;
