-- Next rounds of ended runs, and runs that are made of others. Read the head of
-- features/steering/steering.sql first.


-- name: note_retry
-- Note that these runs are begun again. That changes those that have failed or were cancelled, are still
-- in the round that their caller has seen, and have no children that are still to be cancelled with it. For
-- the task of a parent (:parent_id) none is begun, or noted, that the parent's owner has not asked for.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, run.id, run.workflow, run.round, 'retry', :asked_by, CAST(:reason AS TEXT),
    CASE
        WHEN run.round = :round AND run.ended_at IS NOT NULL
            AND run.status IN ('Failed', 'Cancelled')
            AND NOT (run.children_at IS NOT NULL AND EXISTS (
                SELECT 1 FROM cloaca_run AS child
                WHERE child.parent_id = run.id AND child.parent_id IS NOT NULL
                    AND child.detached = 0
            ))
            AND (run.singleton_key IS NULL OR NOT EXISTS (
                SELECT 1 FROM cloaca_run AS other
                WHERE other.workflow = run.workflow AND other.singleton_key = run.singleton_key
                    AND other.singleton_key IS NOT NULL AND other.ended_at IS NULL
            )) THEN 2
        ELSE 0
    END, :now
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
    AND (CAST(:parent_id AS TEXT) IS NULL OR EXISTS (
        SELECT 1 FROM cloaca_run AS parent
        WHERE parent.id = :parent_id AND parent.epoch = :parent_epoch AND parent.ended_at IS NULL
    ))
ON CONFLICT DO NOTHING;


-- name: keep_round
-- Keep how the last rounds of these runs have ended.
INSERT INTO cloaca_round (:columns(round))
SELECT :columns(round AS run, run_id = run.id)
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = run.id AND act.id = :id
    ) = 2
ON CONFLICT DO NOTHING;


-- name: restart_tasks
-- Let the attempts of tasks before :first_attempt be history. A task that did not start in the round
-- before has a row with that attempt already.
INSERT INTO cloaca_restart (run_id, task_id, item, first_attempt, round, with_children)
SELECT act.run_id, :new.task_id, :new.item, :new.first_attempt, act.round + 1, :new.with_children
FROM :rows AS new, cloaca_act AS act
WHERE act.run_id IN [:new.run_id] AND act.id IN [:new.id] AND act.changed = 2
ON CONFLICT (run_id, task_id, item, first_attempt) DO UPDATE SET
    round = excluded.round, with_children = excluded.with_children;


-- name: set_planned_version
-- Note of runs that an act begins again by which version of their workflow that was planned.
UPDATE cloaca_run SET version = :version, ran_version = NULL
WHERE id IN :ids AND (version <> :version OR ran_version IS NOT NULL)
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


-- name: serve_again
-- Let all runners claim runs that an act begins again, also those that have left them before.
DELETE FROM cloaca_unserved
WHERE run_id IN :ids AND (
    SELECT act.changed FROM cloaca_act AS act
    WHERE act.run_id = cloaca_unserved.run_id AND act.id = :id
) = 2;


-- name: reopen_run
-- Begin the next rounds of these runs: they may be claimed. Children that were paused with them go on.
-- They keep their time limits if none is given, and are in the queue in which runs of theirs begin.
UPDATE cloaca_run
SET status = 'Pending', round = round + 1, owner = NULL, epoch = epoch + 1, recoveries = 0,
    claimable_at = :now, due_at = NULL, started_at = NULL, ended_at = NULL, error_message = NULL,
    reason_code = NULL, limit_seconds = NULL, reason_tasks = NULL, final_context = NULL,
    cancel_at = NULL,
    queue = coalesce(asked_queue, (
        SELECT known.queue FROM cloaca_workflow AS known WHERE known.workflow = cloaca_run.workflow
    ), queue),
    paused_at = NULL, paused_until = NULL, stood_still = 0, rests_since = NULL,
    deadline_at = NULL, overdue_at = NULL,
    time_limit = coalesce(CAST(:time_limit AS BIGINT), time_limit),
    steer_reason = NULL, children_at = NULL, cancels_children = NULL, start_by = NULL,
    paused_with = coalesce((
        WITH RECURSIVE lineage (above) AS (
            SELECT cloaca_run.parent_id
            UNION ALL
            SELECT ended.parent_id
            FROM lineage CROSS JOIN cloaca_run AS ended
            WHERE ended.id = lineage.above AND +ended.ended_at IS NOT NULL AND ended.detached = 0
        )
        SELECT parent.pause_id
        FROM lineage CROSS JOIN cloaca_run AS parent
        WHERE parent.id = lineage.above AND +parent.ended_at IS NULL AND NOT parent.id IN :ids
    ), (
        SELECT parent.pause_id FROM cloaca_run AS parent
        WHERE parent.id = cloaca_run.parent_id AND NOT parent.id IN :ids
    )),
    pause_follows = CASE WHEN pause_id IS NOT NULL THEN 1 ELSE pause_follows END, pause_id = NULL
WHERE id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


-- name: set_planned_queue
-- Put runs that an act begins again into the queue :own; with NULL into the queue that their submissions
-- asked for, else into the :usual queue of their workflow.
UPDATE cloaca_run SET queue = coalesce(CAST(:own AS TEXT), asked_queue, :usual)
WHERE id IN :ids AND (
    SELECT act.changed FROM cloaca_act AS act
    WHERE act.run_id = cloaca_run.id AND act.id = :id
) = 2;


-- name: forget_waits
-- Forget what these runs wait for: their tasks begin anew. Messages stay.
DELETE FROM cloaca_wait
WHERE run_id IN :ids AND (
    SELECT act.changed FROM cloaca_act AS act
    WHERE act.run_id = cloaca_wait.run_id AND act.id = :id
) = 2;


-- name: insert_fork
-- Add a run of the same workflow and with the same input as :source_id; its first claim is a second
-- one, so that the results that it begins with are read. With a taken idempotency key nothing changes,
-- nor if the source is in another round than its caller has seen.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, created_at, claimable_at, priority,
    queue, asked_queue, time_limit, replacements, messages, trace, epoch, status
)
SELECT
    :id, source.workflow, :version, source.input, :tags, CAST(:idempotency_key AS TEXT),
    :created_at, :created_at, source.priority, coalesce(CAST(:own AS TEXT), source.asked_queue, CAST(:usual AS TEXT), (
        SELECT known.queue FROM cloaca_workflow AS known WHERE known.workflow = source.workflow
    ), source.queue), source.asked_queue, source.time_limit,
    source.replacements, source.messages, CAST(:trace AS TEXT), 1, 'Pending'
FROM cloaca_run AS source
WHERE source.id = :source_id AND source.round = :round
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(source.root_id, source.id)
    )
ON CONFLICT DO NOTHING;


-- name: free_fork_key
-- Take the idempotency key of a new run from a hidden run.
UPDATE cloaca_run SET idempotency_key = NULL
WHERE workflow = (SELECT source.workflow FROM cloaca_run AS source WHERE source.id = :source_id)
    AND idempotency_key = :idempotency_key AND EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    );


-- name: copy_results
-- Give a new run the results of tasks of the run that it was made of, and the ends of the items of maps:
-- of the map that it begins with the items alone, by :least_item.
-- A fork that is sent again finds that it was noted: the source may be in its next round by then.
INSERT INTO cloaca_attempt (
    run_id, task_id, item, attempt, epoch, status, change, error_type, error_message, started_at, ended_at,
    crashes, replacements
)
SELECT
    :id, result.task_id, result.item, result.attempt, 0, result.status, result.change,
    result.error_type, result.error_message, result.started_at, result.ended_at, 0,
    result.replacements
FROM cloaca_attempt AS result
WHERE result.run_id = :source_id AND result.task_id IN :kept
    AND result.item >= :least_item AND (
        result.status = 'Completed'
        OR (result.status = 'Failed' AND result.item >= 0 AND result.retry_at IS NULL)
    )
    AND result.attempt = (
        SELECT max(latest.attempt) FROM cloaca_attempt AS latest
        WHERE latest.run_id = :source_id AND latest.task_id = result.task_id
            AND latest.item = result.item
    )
    AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
    AND NOT EXISTS (SELECT 1 FROM cloaca_fork WHERE run_id = :id)
ON CONFLICT DO NOTHING;


-- name: copy_maps
-- Give a new run the maps whose results it has been given; the map that it begins with as if it were
-- opened before its first attempt, :opened_for.
INSERT INTO cloaca_map (:columns(map))
SELECT :columns(
    map AS opened,
    run_id = :id,
    epoch = 0,
    attempt = coalesce(CAST(:opened_for AS BIGINT), opened.attempt)
)
FROM cloaca_map AS opened
WHERE opened.run_id = :source_id AND opened.task_id IN :kept
    AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
    AND NOT EXISTS (SELECT 1 FROM cloaca_fork WHERE run_id = :id)
ON CONFLICT DO NOTHING;


-- name: choose_items
-- Let items of that map run again.
INSERT INTO cloaca_restart (run_id, task_id, item, first_attempt, round, with_children)
SELECT made.id, :new.task_id, :new.item, 1, 1, 0
FROM :rows AS new, cloaca_run AS made
WHERE made.id IN [:new.run_id]
    AND NOT EXISTS (SELECT 1 FROM cloaca_fork WHERE run_id = made.id)
ON CONFLICT DO NOTHING;


-- name: copy_replacements
-- Keep the keys that were replaced in the source.
INSERT INTO cloaca_replacement (:columns(replacement))
SELECT :columns(replacement AS earlier, run_id = :id)
FROM cloaca_replacement AS earlier
JOIN cloaca_run AS made ON made.id = :id AND made.replacements >= earlier.number
WHERE earlier.run_id = :source_id
ON CONFLICT DO NOTHING;


-- name: copy_messages
-- Give a new run the messages of the run that it was made of, under their numbers. Those that kept tasks
-- have taken are read. A message without a number is left out, and so is the end of a child, which
-- the new run does not have.
INSERT INTO cloaca_message (:columns(message))
SELECT :columns(
    message AS earlier,
    run_id = made.id,
    taken_by = CASE WHEN earlier.taken_by IN :kept THEN earlier.taken_by END,
    taken_item = CASE WHEN earlier.taken_by IN :kept THEN earlier.taken_item ELSE -1 END
)
FROM cloaca_run AS made
JOIN cloaca_message AS earlier
    ON earlier.run_id = :source_id AND earlier.number <= made.messages AND earlier.kind <> 'run'
WHERE made.id = :id AND NOT EXISTS (
    SELECT 1 FROM cloaca_message AS own
    WHERE own.run_id = made.id AND own.number = earlier.number
)
ON CONFLICT DO NOTHING;


-- name: note_fork
-- Note of which run, and from which of its tasks on, a new run was made.
INSERT INTO cloaca_fork (run_id, forked_from, from_task, content, created_at)
SELECT :id, :source_id, :from_task, CAST(:content AS TEXT), :created_at
WHERE EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
ON CONFLICT DO NOTHING;


-- name: copy_forks
-- Keep the keys that were set before tasks of the source whose results are kept.
INSERT INTO cloaca_fork (:columns(fork))
SELECT :columns(fork AS earlier, run_id = :id)
FROM cloaca_fork AS earlier
WHERE earlier.run_id = :source_id AND earlier.content IS NOT NULL
    AND earlier.from_task IN :kept AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
ON CONFLICT DO NOTHING;


-- name: note_forking
-- Note at a run that another was made of it.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :act_id, run.id, run.workflow, run.round, 'fork', :asked_by, CAST(:reason AS TEXT), 1, :now
FROM cloaca_run AS run
WHERE run.id = :source_id AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
ON CONFLICT DO NOTHING;


-- name: find_fork
-- Find the run that was made, or that has its idempotency key.
SELECT coalesce(
    (SELECT id FROM cloaca_run WHERE id = :id),
    (
        SELECT holder.id FROM cloaca_run AS source
        JOIN cloaca_run AS holder ON holder.workflow = source.workflow
            AND holder.idempotency_key = CAST(:idempotency_key AS TEXT)
        WHERE source.id = :source_id
            AND NOT EXISTS (
                SELECT 1 FROM cloaca_tombstone AS gone
                WHERE gone.root_id = coalesce(source.root_id, source.id)
            )
            AND NOT EXISTS (
                SELECT 1 FROM cloaca_tombstone AS gone
                WHERE gone.root_id = coalesce(holder.root_id, holder.id)
            )
    )
);


-- name: list_forks
-- Read which of these runs were made of others.
SELECT run_id, forked_from, from_task, content, created_at FROM cloaca_fork
WHERE run_id IN :ids ORDER BY run_id, created_at, from_task, from_item;
