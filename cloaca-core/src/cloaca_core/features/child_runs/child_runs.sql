-- Child runs for which their parents wait. Read the heads of features/steering/steering.sql and
-- features/waits/waits.sql first.
--
-- The end of such a child is a message to its parent, in the transaction that writes the end. It has no
-- number: so no transaction that ends a run waits for the lock of another run. If one runner owns both, it
-- takes the message as it is (take_message). Else a runner gives it a number, as to the messages of
-- users' transactions. Its id makes it the only one about that round of the child. It tells where the
-- result stands, and does not repeat it.


-- name: tell_parents
-- Send the ends of those of these runs that have ended to the parents that may wait for them.
INSERT INTO cloaca_message (run_id, id, kind, name, payload, sent_at)
SELECT
    child.parent_id, child.id || ':' || child.round, 'run',
    CASE WHEN child.round = 1 THEN child.id ELSE child.id || ':' || child.round END,
    '{"round":' || child.round || ',"status":"' || child.status || '"}', child.ended_at
FROM cloaca_run AS child
WHERE child.id IN :ids AND child.child_kind IS NOT NULL AND child.parent_id IS NOT NULL
    AND +child.ended_at IS NOT NULL
ON CONFLICT DO NOTHING;


-- name: tell_of_cancelled
-- The same for runs that mark_cancelled has named. They can be found as long as they have not ended.
INSERT INTO cloaca_message (run_id, id, kind, name, payload, sent_at)
SELECT
    child.parent_id, child.id || ':' || child.round, 'run',
    CASE WHEN child.round = 1 THEN child.id ELSE child.id || ':' || child.round END,
    '{"round":' || child.round || ',"status":"Cancelled"}', :now
FROM cloaca_run AS child
WHERE child.owner = :runner_id AND child.ended_at IS NULL AND child.cancel_at IS NOT NULL
    AND child.status = 'Cancelled' AND child.child_kind IS NOT NULL AND child.parent_id IS NOT NULL
ON CONFLICT DO NOTHING;


-- name: mark_failed_parents
-- Have the children cancelled for which those of these runs have waited that have failed (see
-- features/steering/children.sql). The LIMIT keeps a planner from reading all children for a join.
UPDATE cloaca_run SET children_at = ended_at, cancels_children = 1
WHERE id IN :ids AND owner = :runner_id AND status = 'Failed' AND +ended_at IS NOT NULL
    AND (
        SELECT child.id FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
            AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
            AND child.child_kind IS NOT NULL
        LIMIT 1
    ) IS NOT NULL;


-- name: insert_node_child
-- Add the child runs of nodes whose runs the runner still owns; not of one that is being cancelled, or has
-- ended. What a fenced runner sends adds none: the next owner may start the node with another input. A child
-- has an owner from the start if the runner has a place for it (:new.owner), as in insert_run. The child of
-- a node that was to open with the end of the task before it (:new.replacements) is not added, either, if the
-- run is to pause first, or the node is to see other keys.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, time_limit, deadline_at, trace, child_kind, queue, asked_queue, owner, epoch, status,
    started_at
)
SELECT
    :new.id, :new.workflow, :new.version, :new.input, :new.tags, :new.idempotency_key, run.id,
    coalesce(run.root_id, run.id), :new.created_at, :new.created_at, :new.priority, :new.time_limit,
    :new.deadline_at, :new.trace, 'node', :new.queue, :new.asked_queue,
    CASE WHEN begins.here = 1 THEN run.owner END, begins.here,
    CASE WHEN begins.here = 1 THEN 'Running' ELSE 'Pending' END,
    CASE WHEN begins.here = 1 THEN :new.created_at END
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner,
    (SELECT 0 AS here UNION ALL SELECT 1) AS begins
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND run.cancel_at IS NULL AND +run.ended_at IS NULL
    AND (
        :new.replacements IS NULL
        OR (run.paused_at IS NULL AND run.replacements = :new.replacements)
    )
    AND runner.id = run.owner AND runner.fenced = 0
    AND begins.here = CASE
        WHEN :new.owner = run.owner AND run.paused_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = :new.workflow
        ) THEN 1 ELSE 0
    END
ON CONFLICT DO NOTHING;


-- name: list_node_children
-- Find which of these children of nodes the table has, and which of them the runner owns from their insert
-- (see owned_runs).
SELECT run.id, CASE
    WHEN run.owner = :runner_id AND run.epoch = 1 AND run.started_at = run.created_at
        AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
    THEN 1 ELSE 0
END AS here
FROM :ids AS wanted
CROSS JOIN cloaca_run AS run
WHERE run.id IN [wanted.value];


-- name: mark_opened_node
-- Write that nodes wait, of runs that the runner still owns and that have not ended in this transaction, if
-- insert_node_child has added their children.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, started_at, crashes, replacements, runner
)
SELECT
    :new.run_id, :new.task_id, :new.attempt, run.epoch, 'Waiting', :new.opened_at, 0, :new.replacements,
    runner.number
FROM :rows(child_id:text) AS new, cloaca_run AS run, cloaca_runner AS runner, cloaca_run AS child
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL AND runner.id = run.owner AND runner.fenced = 0
    AND child.id IN [:new.child_id] AND child.parent_id = run.id
ON CONFLICT DO NOTHING;


-- name: record_wait_of_opened_node
-- Write the waits of the same nodes for the ends of their children.
INSERT INTO cloaca_wait (
    run_id, task_id, kind, name, number, attempt, input_hash, opened_at, detail, timed_out
)
SELECT
    :new.run_id, :new.task_id, 'run', :new.child_id, 0, :new.attempt, '', :new.opened_at, :new.detail, 0
FROM :rows(child_id:text) AS new, cloaca_run AS run, cloaca_runner AS runner, cloaca_run AS child
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL AND runner.id = run.owner AND runner.fenced = 0
    AND child.id IN [:new.child_id] AND child.parent_id = run.id
ON CONFLICT DO NOTHING;


-- name: runs_above
-- Count the runs above this one, at most :most of them.
WITH RECURSIVE lineage (id, depth) AS (
    SELECT run.parent_id, 1 FROM cloaca_run AS run
    WHERE run.id = :run_id AND run.parent_id IS NOT NULL
    UNION ALL
    SELECT above.parent_id, lineage.depth + 1
    FROM lineage CROSS JOIN cloaca_run AS above
    WHERE above.id = lineage.id AND above.parent_id IS NOT NULL AND lineage.depth < :most
)
SELECT count(*) FROM lineage;
