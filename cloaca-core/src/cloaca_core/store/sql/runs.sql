-- Runs: inserted, claimed, recorded, listed.
--
-- These statements are valid in SQLite and in PostgreSQL. They are correct in a database where one
-- transaction writes at a time, as there it has locked all that it reads. A backend has a file of
-- the same name with the statements that it words differently; the head of that file gives the
-- reasons.
--
-- CAST gives a type to a parameter that may be NULL, where the database could not infer one. A
-- parameter after IN or FROM is a list, which each database unpacks in its own way (see Wording in
-- queries.py).


-- name: insert_run
-- Add a run. If :owner is a live runner, it owns the run from the start, unless the run waits for
-- its time or its workflow is paused; otherwise the run has no owner. Executed again, or with an
-- idempotency key that another run has, it changes nothing; nor if its parent is being cancelled, or
-- was, or if the tree of its parent is hidden; nor if the parent was to wait for it and has ended.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, trace, child_kind, queue, asked_queue,
    owner, epoch, status, started_at
)
SELECT
    :id, :workflow, :version, :input, :tags, CAST(:idempotency_key AS TEXT),
    CAST(:parent_id AS TEXT), (
        SELECT coalesce(parent.root_id, parent.id) FROM cloaca_run AS parent
        WHERE parent.id = CAST(:parent_id AS TEXT) AND :detached = 0
    ),
    :created_at, coalesce(CAST(:due_at AS BIGINT), :created_at),
    :priority, CAST(:due_at AS BIGINT), :detached,
    CAST(:time_limit AS BIGINT), CAST(:deadline_at AS BIGINT), CAST(:start_by AS BIGINT),
    CAST(:trace AS TEXT), CAST(:child_kind AS TEXT), :queue, CAST(:asked_queue AS TEXT), runner.id,
    CASE WHEN runner.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN runner.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN runner.id IS NULL THEN NULL ELSE :created_at END
FROM (SELECT 1) AS one
LEFT JOIN cloaca_runner AS runner
    ON runner.id = :owner AND runner.fenced = 0 AND CAST(:due_at AS BIGINT) IS NULL
        AND NOT EXISTS (SELECT 1 FROM cloaca_paused_workflow WHERE workflow = :workflow)
WHERE (
        CAST(:parent_id AS TEXT) IS NULL OR :detached = 1
        OR EXISTS (
            SELECT 1 FROM cloaca_run AS parent
            WHERE parent.id = CAST(:parent_id AS TEXT)
                AND parent.cancel_at IS NULL AND parent.status <> 'Cancelled'
                AND (CAST(:child_kind AS TEXT) IS NULL OR parent.ended_at IS NULL)
                AND NOT EXISTS (
                    SELECT 1 FROM cloaca_tombstone AS gone
                    WHERE gone.root_id = coalesce(parent.root_id, parent.id)
                )
        )
    )
ON CONFLICT DO NOTHING;


-- name: insert_unowned_run
-- Add a run without an owner. Executed again, or with an idempotency key that another run has, it
-- changes nothing; nor if the tree of its parent is hidden. It does not ask whether its parent is being
-- cancelled: who claims the run does (list_stopped_with_parents).
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, trace, child_kind, queue, asked_queue,
    epoch, status
)
SELECT
    :id, :workflow, :version, :input, :tags, CAST(:idempotency_key AS TEXT),
    CAST(:parent_id AS TEXT), (
        SELECT coalesce(parent.root_id, parent.id) FROM cloaca_run AS parent
        WHERE parent.id = CAST(:parent_id AS TEXT) AND :detached = 0
    ),
    :created_at, coalesce(CAST(:due_at AS BIGINT), :created_at), :priority,
    CAST(:due_at AS BIGINT), :detached, CAST(:time_limit AS BIGINT),
    CAST(:deadline_at AS BIGINT), CAST(:start_by AS BIGINT), CAST(:trace AS TEXT),
    CAST(:child_kind AS TEXT), :queue, CAST(:asked_queue AS TEXT), 0, 'Pending'
WHERE (
        CAST(:parent_id AS TEXT) IS NULL OR :detached = 1
        OR EXISTS (
            SELECT 1 FROM cloaca_run AS parent
            WHERE parent.id = CAST(:parent_id AS TEXT) AND NOT EXISTS (
                SELECT 1 FROM cloaca_tombstone AS gone
                WHERE gone.root_id = coalesce(parent.root_id, parent.id)
            )
        )
    )
ON CONFLICT DO NOTHING;


-- name: lock_roots
-- Lock the roots of the trees of these runs: no tombstone is set while runs are added to their trees.
SELECT root.id FROM cloaca_run AS root
WHERE root.id IN [
    SELECT coalesce(run.root_id, run.id) FROM cloaca_run AS run WHERE run.id IN :ids
]
ORDER BY root.id
FOR KEY SHARE OF root;


-- name: find_parents
-- Find which of these runs are there and not hidden, whether each is being cancelled, or was, and whether
-- it has ended.
SELECT
    run.id,
    CASE WHEN run.cancel_at IS NOT NULL OR run.status = 'Cancelled' THEN 1 ELSE 0 END AS is_cancelled,
    CASE WHEN run.ended_at IS NULL THEN 0 ELSE 1 END AS is_over
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    );


-- name: free_key
-- Take an idempotency key from a hidden run.
UPDATE cloaca_run SET idempotency_key = NULL
WHERE workflow = :workflow AND idempotency_key = :idempotency_key AND EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);


-- name: insert_tag
-- Index tags of runs. Runs that were not inserted because other runs have their keys get none.
INSERT INTO cloaca_run_tag (run_id, tag, content)
SELECT :new.run_id, :new.tag, :new.content
FROM :rows AS new
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id IN [:new.run_id] AND run.tags <> '{}'
)
ON CONFLICT DO NOTHING;


-- name: note_submission
-- Note who has submitted runs. Of runs that were not inserted because other runs have their keys nothing
-- is noted.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT run.id, run.id, run.workflow, 1, 'submit', :new.asked_by, NULL, 1, run.created_at
FROM :rows AS new, cloaca_run AS run
WHERE run.id IN [:new.id]
ON CONFLICT DO NOTHING;


-- name: note_queue
-- Note that runs of a workflow may be in a queue. Rows come in their order.
INSERT INTO cloaca_queue :rows(workflow, name)
ON CONFLICT DO NOTHING;


-- name: pause_new_children
-- Pause those of these new runs whose parent is paused with its children; they have no owner then. A
-- batch that is sent again finds runs that others may have acted on since: those stay as they are.
UPDATE cloaca_run
SET status = 'Paused', owner = NULL, started_at = NULL,
    epoch = CASE WHEN owner IS NULL THEN epoch ELSE epoch + 1 END,
    (paused_at, paused_until, paused_with, steer_reason) = (
        SELECT
            parent.paused_at, parent.paused_until, parent.pause_id,
            parent.steer_reason || ' (with its parent, run ' || parent.id || ')'
        FROM cloaca_run AS parent WHERE parent.id = cloaca_run.parent_id
    )
WHERE id IN :ids AND detached = 0 AND +ended_at IS NULL AND cancel_at IS NULL AND paused_at IS NULL
    AND ((owner IS NULL AND epoch = 0) OR (owner = :runner_id AND epoch = 1))
    AND EXISTS (
        SELECT 1 FROM cloaca_run AS parent
        WHERE parent.id = cloaca_run.parent_id AND parent.ended_at IS NULL
            AND parent.pause_id <> coalesce(cloaca_run.paused_with, '')
    );


-- name: owned_runs
-- Find those of these new runs that the runner owns from their insert. Others that it owns under their
-- first epoch it has claimed since, and begun: they had no owner, as their workflow was paused, and the
-- batch is sent once more. There are none if the runner was fenced after it had sent them: then another
-- runner is about to take them over.
SELECT run.id
FROM :ids AS wanted
CROSS JOIN cloaca_run AS run
WHERE run.id IN [wanted.value] AND run.owner = :runner_id AND run.epoch = 1
    AND run.started_at = run.created_at
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: lock_runs
-- Find which of these runs exist. A database where several transactions write at once locks the
-- runner and then these runs.
SELECT run.id FROM cloaca_run AS run
LEFT JOIN cloaca_runner AS runner ON runner.id = :runner_id
WHERE run.id IN :ids;


-- name: lock_steered
-- Which of these runs are there; a database that lets several transactions write locks them.
SELECT id FROM cloaca_run WHERE id IN :ids;


-- name: fence_runs
-- Find which of these runs the runner owns, under which epochs, to which state it is to bring them,
-- how often keys of them were replaced, and how many messages they were sent. Later statements of this
-- transaction check the same. A database where several transactions write at once locks the runs.
SELECT run.id, run.epoch, CASE
    WHEN run.cancel_at IS NOT NULL THEN 'Cancelled' WHEN run.paused_at IS NOT NULL THEN 'Paused'
END AS stop_request, run.replacements, run.messages
FROM :ids AS wanted
CROSS JOIN cloaca_run AS run
WHERE run.id IN [wanted.value] AND run.owner = :runner_id
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: end_run
-- Write the end of a run, its last change, if the runner still owns it. The run keeps its owner, so
-- that the same batch, sent again, gets the same answer. A run that is to be cancelled ends as
-- Cancelled, even if the runner saw it end otherwise.
UPDATE cloaca_run
SET ended_at = :ended_at,
    status = CASE WHEN cancel_at IS NULL THEN :status ELSE 'Cancelled' END,
    final_context = CASE WHEN cancel_at IS NULL THEN :final_context END,
    error_message = CASE
        WHEN cancel_at IS NULL THEN CAST(:error_message AS TEXT) ELSE steer_reason
    END,
    steer_reason = CASE WHEN cancel_at IS NOT NULL THEN steer_reason END,
    reason_code = CASE
        WHEN cancel_at IS NULL THEN CAST(:reason_code AS TEXT) ELSE 'cancelled'
    END,
    limit_seconds = CASE
        WHEN cancel_at IS NULL THEN CAST(:limit_seconds AS BIGINT)
    END,
    reason_tasks = CASE
        WHEN cancel_at IS NULL THEN CAST(:reason_tasks AS TEXT)
    END
WHERE id = :id AND owner = :runner_id AND epoch = :fence AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: set_ran_version
-- Note by which version of their workflow these runs of a runner run. NULL is the one that they were
-- submitted with.
UPDATE cloaca_run SET ran_version = CASE WHEN version <> :version THEN :version END
WHERE id IN :ids AND owner = :runner_id AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: has_claimable
-- Tell whether a claim of the runner would find a run. Costs one index look-up for each workflow and
-- queue: the LIMITs keep a planner from turning the subqueries into joins. With :all_queues 1 runs are
-- looked for in the queues that were noted, too.
SELECT EXISTS (
    SELECT 1 FROM (
        SELECT asked.value AS workflow, served.value AS queue
        FROM :workflows AS asked CROSS JOIN (SELECT each.value FROM :queues AS each) AS served
        UNION ALL
        SELECT noted.workflow, noted.name
        FROM :workflows AS asked CROSS JOIN cloaca_queue AS noted
        WHERE :all_queues = 1 AND noted.workflow = asked.value
    ) AS line
    WHERE (
        SELECT waiting.id FROM cloaca_run AS waiting
        WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL AND waiting.behind IS NULL
            AND waiting.paused_at IS NULL AND waiting.due_at IS NULL
            AND waiting.workflow = line.workflow AND waiting.queue = line.queue
            AND (
                SELECT noted.run_id FROM cloaca_unserved AS noted
                WHERE noted.run_id = waiting.id AND noted.runner_id = :runner_id LIMIT 1
            ) IS NULL
        LIMIT 1
    ) IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM cloaca_paused_workflow WHERE workflow = line.workflow)
);


-- name: park_run
-- Give back runs that can do nothing before :new.due_at, or (NULL) while they are paused; those that are
-- not (any more), or were sent more than :new.seen messages, may be claimed at once. A run that is to be
-- cancelled stays with its owner, which ends it. If it rests (:new.rests 1), its time limit stands still
-- from now on; in a pause it does so already. Those of which nothing has begun (:new.begun 0) wait as
-- before their claim. A run may move to another queue (:new.queue).
UPDATE cloaca_run AS run
SET owner = NULL, epoch = run.epoch + 1, came_due = 0,
    started_at = CASE WHEN :new.begun = 1 THEN run.started_at END,
    stood_still = run.stood_still + :new.rested, deadline_at = run.deadline_at + :new.rested,
    rests_since = CASE
        WHEN :new.rests = 1 AND run.messages <= :new.seen AND run.paused_at IS NULL
            THEN :new.parked_at
    END,
    due_at = CASE WHEN run.messages <= :new.seen THEN :new.due_at END,
    queue = coalesce(:new.queue, run.queue), overdue_at = :new.overdue_at,
    claimable_at = CASE
        WHEN :new.due_at IS NULL AND :new.begun = 0 THEN run.claimable_at ELSE :new.parked_at
    END,
    status = CASE
        WHEN run.paused_at IS NOT NULL THEN 'Paused'
        WHEN :new.begun = 0 THEN 'Pending'
        WHEN :new.due_at IS NULL OR run.messages > :new.seen THEN 'Running'
        ELSE 'Waiting'
    END
FROM :rows(parked_at:int, seen:int, rests:int, rested:int, begun:int) AS new
WHERE run.id IN [:new.id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL AND run.cancel_at IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_runner AS runner
        WHERE runner.id = :new.runner_id AND runner.fenced = 0
    );


-- name: pause_exhausted
-- Pause runs of which a task has used up its attempts, until they are resumed, as far as the runner
-- still owns them. Sent again, perhaps after a resume, it changes nothing: note_exhausted has noted it.
UPDATE cloaca_run AS run
SET status = 'Paused', paused_at = coalesce(run.paused_at, :new.noted_at), paused_until = NULL,
    steer_reason = :new.reason
FROM :rows(act_id:text, noted_at:int) AS new
WHERE run.id IN [:new.id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL AND run.cancel_at IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_runner AS runner
        WHERE runner.id = :new.runner_id AND runner.fenced = 0
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_act AS act
        WHERE act.run_id IN [:new.id] AND act.id IN [:new.act_id]
    );


-- name: note_exhausted
-- Note the pauses of pause_exhausted as acts.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :new.act_id, run.id, run.workflow, run.round, 'pause', 'cloaca', :new.reason, 1, :new.noted_at
FROM :rows(act_id:text, noted_at:int) AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL AND run.cancel_at IS NULL
    AND runner.id = :new.runner_id AND runner.fenced = 0
ON CONFLICT DO NOTHING;


-- name: note_unserved
-- Note that a runner leaves a run that it has claimed, as it lacks tasks of it. The + keeps a database
-- from looking at all runs of the runner.
INSERT INTO cloaca_unserved (run_id, runner_id, tasks)
SELECT run.id, run.owner, CAST(:tasks AS TEXT) FROM cloaca_run AS run
WHERE run.id IN :ids AND run.owner = :runner_id AND run.epoch = :fence
    AND +run.ended_at IS NULL AND run.cancel_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
ON CONFLICT DO NOTHING;


-- name: leave_run
-- Give such a run back as it was before it was claimed. One that is to be cancelled stays with its
-- owner.
UPDATE cloaca_run
SET owner = NULL, epoch = epoch + 1, came_due = CASE came_due WHEN 2 THEN 1 ELSE 0 END,
    started_at = CASE WHEN :has_begun = 1 THEN started_at END,
    status = CASE
        WHEN paused_at IS NOT NULL THEN 'Paused'
        WHEN came_due = 2 THEN 'Waiting'
        WHEN :has_begun = 1 THEN 'Running'
        ELSE 'Pending'
    END
WHERE id IN :ids AND owner = :runner_id AND epoch = :fence
    AND +ended_at IS NULL AND cancel_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: forget_ended
-- Forget of a runner which runs it has left that have ended since, with others.
DELETE FROM cloaca_unserved
WHERE runner_id = :runner_id AND (
    SELECT run.ended_at FROM cloaca_run AS run WHERE run.id = cloaca_unserved.run_id LIMIT 1
) IS NOT NULL;


-- name: list_left
-- Find those of these runs that the runner has left.
SELECT run_id FROM cloaca_unserved WHERE run_id IN :ids AND runner_id = :runner_id;


-- name: count_left
-- Count the claimable runs that the runner has left, by workflow, with when the oldest was made and its
-- id.
SELECT 'task_unserved' AS kind, run.workflow, min(run.id) AS first_run, min(run.created_at) AS due_at,
    count(*) AS found
FROM cloaca_unserved AS noted
JOIN cloaca_run AS run ON run.id = noted.run_id
WHERE noted.runner_id = :runner_id AND run.owner IS NULL AND +run.ended_at IS NULL
    AND run.behind IS NULL AND run.paused_at IS NULL AND run.due_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = run.workflow
    )
GROUP BY run.workflow ORDER BY run.workflow;


-- name: forget_unserved
-- Let the runner claim the runs of these workflows that it has left.
DELETE FROM cloaca_unserved
WHERE runner_id = :runner_id
    AND (SELECT run.workflow FROM cloaca_run AS run WHERE run.id = cloaca_unserved.run_id LIMIT 1)
        IN :workflows;


-- name: next_due_run
-- Find when the first run of these workflows comes due that waits for its time. A run that waits for a
-- message and for no instant is due at 2^62, here and below: the index has none of them.
SELECT min((
    SELECT first.due_at FROM cloaca_run AS first
    WHERE first.workflow = wanted.value AND first.due_at < 4611686018427387904
        AND first.owner IS NULL AND first.ended_at IS NULL
    ORDER BY first.due_at LIMIT 1
))
FROM :workflows AS wanted;


-- name: make_due_claimable
-- Make claimable the runs of these workflows that have come due, those that came due first. For each
-- workflow at most :limit entries of the index are read.
UPDATE cloaca_run SET due_at = NULL, claimable_at = due_at, came_due = 1
WHERE id IN (
        SELECT run.id
        FROM :workflows AS wanted
        JOIN cloaca_run AS run ON run.id IN (
            SELECT first.id FROM cloaca_run AS first
            WHERE first.workflow = wanted.value AND first.due_at < 4611686018427387904
                AND first.due_at <= :now AND first.owner IS NULL AND first.ended_at IS NULL
            ORDER BY first.due_at, first.id LIMIT :limit
        )
        ORDER BY run.due_at, run.id LIMIT :limit
    )
    AND due_at IS NOT NULL AND due_at <= :now
RETURNING id;


-- name: make_claimable_after_set_back
-- Make claimable the runs of these workflows that were parked later than :now: the clock was set back
-- since, and would keep them for as long, also those that are paused now. The runner that claims one
-- waits for what is left of its time.
UPDATE cloaca_run SET due_at = NULL, claimable_at = :now
WHERE id IN (
        SELECT run.id FROM cloaca_run AS run
        WHERE run.workflow IN :workflows AND run.claimable_at > :now
            AND run.due_at < 4611686018427387904 AND run.owner IS NULL AND run.ended_at IS NULL
            AND run.started_at IS NOT NULL
        ORDER BY run.claimable_at DESC, run.id LIMIT :limit
    )
    AND due_at IS NOT NULL AND owner IS NULL AND ended_at IS NULL
RETURNING id;


-- name: load_attempts
-- Read all attempts of the tasks of these runs, those of items left out.
SELECT :columns(AttemptRow)
FROM cloaca_attempt WHERE run_id IN :ids AND item = -1
ORDER BY run_id, task_id, attempt;


-- name: list_outcomes
-- Read all attempts of the tasks of these runs without what they have come to in full.
SELECT :columns(AttemptRow, change = NULL, error_traceback = NULL)
FROM cloaca_attempt WHERE run_id IN :ids AND item = -1
ORDER BY run_id, task_id, attempt;


-- name: list_restarts
-- The tasks of these runs that were restarted.
SELECT run_id, task_id, first_attempt, round, with_children FROM cloaca_restart
WHERE run_id IN :ids AND item = -1
ORDER BY run_id, task_id, first_attempt;


-- name: list_rounds
-- How the earlier rounds of a run have ended, oldest first.
SELECT ended.run_id, ended.round, ended.status, ended.error_message, ended.reason_code,
    ended.limit_seconds, coalesce(ended.final_context, run.input) AS final_context,
    ended.started_at, ended.ended_at
FROM cloaca_round AS ended
JOIN cloaca_run AS run ON run.id = ended.run_id
WHERE ended.run_id = :run_id ORDER BY ended.round;


-- name: get_run
-- Read one run with its payloads.
SELECT :columns(
    RunRow, final_context = coalesce(final_context, CASE WHEN ended_at IS NOT NULL THEN input END), claimable_at = 0, trace = NULL
)
FROM cloaca_run
WHERE id = :id
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    );


-- name: ended_runs
-- Read those of these runs that have ended.
SELECT :columns(
    RunRow, final_context = coalesce(final_context, CASE WHEN ended_at IS NOT NULL THEN input END), claimable_at = 0, trace = NULL
)
FROM cloaca_run WHERE id IN :ids AND ended_at IS NOT NULL
ORDER BY id;


-- name: list_runs
-- List the newest runs with ids below :before and from :after on, without payloads. A first page has a
-- :before above every id. This and the next ones take the same conditions, NULL for any; each goes
-- through another index. An error is looked for by taking it out: LIKE has letters with a meaning.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE id < :before AND id >= :after
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message), lower(:error), '') <> lower(error_message)
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY id DESC LIMIT :limit;


-- name: list_active_runs
-- List the newest unfinished runs of one status.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE ended_at IS NULL AND status = :status AND id < :before AND id >= :after
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (CAST(:parent_id AS TEXT) IS NULL OR parent_id = :parent_id)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message), lower(:error), '') <> lower(error_message)
    )
ORDER BY id DESC LIMIT :limit;


-- name: count_active_runs
-- Count what list_active_runs lists.
SELECT count(*) FROM cloaca_run
WHERE ended_at IS NULL AND status = :status AND id < :before AND id >= :after
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (CAST(:parent_id AS TEXT) IS NULL OR parent_id = :parent_id)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message), lower(:error), '') <> lower(error_message)
    );


-- name: list_ended_runs
-- List the newest ended runs of one status.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE ended_at IS NOT NULL AND status = :status AND id < :before AND id >= :after
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message), lower(:error), '') <> lower(error_message)
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY id DESC LIMIT :limit;


-- name: list_runs_of_workflow
-- List the newest runs of one workflow.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE workflow = :workflow AND id < :before AND id >= :after
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message), lower(:error), '') <> lower(error_message)
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY id DESC LIMIT :limit;


-- name: list_runs_of_parent
-- List the newest runs that bodies of one run have submitted.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE parent_id = :parent_id AND parent_id IS NOT NULL AND id < :before AND id >= :after
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message), lower(:error), '') <> lower(error_message)
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY id DESC LIMIT :limit;


-- name: list_waiting
-- List the workflows that have claimable runs and are not paused, or have schedules with a next tick,
-- while no live runner owns a run of them; and count the live runners other than this one. The recursive
-- queries go from each workflow's name to the next one in an index, and at most :most rows of each
-- workflow are counted, so the cost does not grow with the number of waiting runs.
WITH RECURSIVE waiting (workflow) AS (
    SELECT min(run.workflow) FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
        AND run.paused_at IS NULL AND run.due_at IS NULL
    UNION ALL
    SELECT (
        SELECT min(run.workflow) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow > waiting.workflow
    )
    FROM waiting WHERE waiting.workflow IS NOT NULL
),
planned (workflow) AS (
    SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
    WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
        WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
            AND schedule.workflow > planned.workflow
    )
    FROM planned WHERE planned.workflow IS NOT NULL
)
SELECT 'run' AS kind, waiting.workflow, oldest.id AS first_run, oldest.claimable_at AS due_at,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS run
            WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
                AND run.paused_at IS NULL AND run.due_at IS NULL
                AND run.workflow = waiting.workflow
            LIMIT :most
        ) AS counted
    ) AS found
FROM waiting
JOIN cloaca_run AS oldest ON oldest.id = (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
        AND run.paused_at IS NULL AND run.due_at IS NULL
        AND run.workflow = waiting.workflow
    ORDER BY run.queue, run.priority DESC, run.claimable_at, run.id LIMIT 1
)
WHERE waiting.workflow IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = waiting.workflow
) AND NOT EXISTS (
    SELECT 1 FROM cloaca_runner AS runner
    WHERE runner.fenced = 0 AND NOT runner.id IN :gone AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.owner = runner.id AND run.ended_at IS NULL
            AND run.workflow = waiting.workflow
    )
)
UNION ALL
SELECT 'schedule', planned.workflow, '', (
        SELECT min(schedule.due_at) FROM cloaca_schedule AS schedule
        WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
            AND schedule.workflow = planned.workflow
    ),
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_schedule AS schedule
            WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
                AND schedule.workflow = planned.workflow
            LIMIT :most
        ) AS counted
    )
FROM planned
WHERE planned.workflow IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM cloaca_runner AS runner
    WHERE runner.fenced = 0 AND NOT runner.id IN :gone AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.owner = runner.id AND run.ended_at IS NULL
            AND run.workflow = planned.workflow
    )
)
UNION ALL
SELECT 'runner', '', '', 0, count(*) FROM cloaca_runner AS runner
WHERE runner.fenced = 0 AND NOT runner.id IN :gone AND runner.id <> :runner_id;
