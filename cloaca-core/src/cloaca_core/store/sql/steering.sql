-- Steering: what people and programs ask of runs. Read the head of runs.sql first.
--
-- An act is one row for each run that it is about, under an id that its caller made: sent again it
-- changes nothing. Each transaction locks its runs, notes the act, and only then looks at the runs: what
-- a statement finds after the lock is what the act is decided by. An act that is still to be carried
-- out has changed 2, until the end of the transaction that notes it: so it is carried out once.
--
-- The row of an act is compared with a value, where EXISTS would mean the same: so it is looked up for
-- each run. A plan may begin EXISTS at the rows of the act, of which there is one for each run that was
-- steered with it, and look for each among the ids.


-- name: lock_schedules_of
-- Which schedules have made these runs; a database that lets several transactions write locks them.
SELECT id FROM cloaca_schedule
WHERE id IN (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.id IN :ids AND run.schedule_id IS NOT NULL
);


-- name: lock_steered
-- Which of these runs are there; a database that lets several transactions write locks them.
SELECT id FROM cloaca_run WHERE id IN :ids;


-- name: note_cancel
-- Note that these runs are cancelled. It changes those that are not over, nor being cancelled already.
-- Children of :parent_id are only as long as they are to be cancelled with it: its next round may have
-- begun since they were looked for.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, run.id, run.workflow, run.round, 'cancel', :asked_by, CAST(:reason AS TEXT),
    CASE WHEN run.ended_at IS NULL AND run.cancel_at IS NULL THEN 1 ELSE 0 END, :now
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND (
        CAST(:parent_id AS TEXT) IS NULL
        OR EXISTS (
            SELECT 1 FROM cloaca_run AS parent
            WHERE parent.id = :parent_id AND parent.children_at IS NOT NULL
        )
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ON CONFLICT DO NOTHING;


-- name: cancel_unowned
-- End those of these runs that no runner owns. Their children are to be cancelled next.
UPDATE cloaca_run
SET status = 'Cancelled', error_message = :because, steer_reason = :because,
    reason_code = 'cancelled', ended_at = :now, epoch = epoch + 1, behind = NULL, due_at = NULL,
    paused_at = NULL, paused_until = NULL,
    children_at = CASE WHEN :children = 1 AND EXISTS (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
            AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
    ) THEN CAST(:deadline AS BIGINT) END
WHERE id IN :ids AND owner IS NULL AND ended_at IS NULL
    AND round = (
        SELECT act.round FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    );


-- name: cancel_owned
-- Have those of these runs that a runner owns ended by it, by the earliest deadline that was given.
-- The mark about children is set even if there are none: until the run has ended its bodies may still
-- submit some.
UPDATE cloaca_run
SET status = 'Cancelling',
    steer_reason = CASE WHEN cancel_at IS NULL THEN :because ELSE steer_reason END,
    cancel_at = CASE
        WHEN cancel_at IS NULL OR cancel_at > :deadline THEN :deadline ELSE cancel_at
    END,
    paused_until = NULL,
    children_at = CASE
        WHEN :children = 1 AND (children_at IS NULL OR children_at > :deadline)
        THEN CAST(:deadline AS BIGINT) ELSE children_at
    END
WHERE id IN :ids AND owner IS NOT NULL AND +ended_at IS NULL
    AND round = (
        SELECT act.round FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    );


-- name: note_pause
-- Note that these runs are paused. It changes those that are not over, being cancelled or paused.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, run.id, run.workflow, run.round, 'pause', :asked_by, CAST(:reason AS TEXT),
    CASE
        WHEN run.ended_at IS NULL AND run.cancel_at IS NULL AND run.paused_at IS NULL THEN 2 ELSE 0
    END, :now
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ON CONFLICT DO NOTHING;


-- name: pause_runs
-- Start no more tasks of these runs. An owner lets go of one when its bodies have ended. The mark about
-- children is set if there may be some: bodies under way may still submit some.
UPDATE cloaca_run
SET status = 'Paused', paused_at = :now, paused_until = CAST(:until AS BIGINT),
    steer_reason = :because, paused_with = NULL,
    pause_id = CASE WHEN :children = 1 THEN CAST(:id AS TEXT) END,
    pause_follows = CASE WHEN :children = 1 AND (owner IS NOT NULL OR EXISTS (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
            AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
    )) THEN 1 ELSE pause_follows END
WHERE id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


-- name: note_resume
-- Note that these runs go on. It changes those that are paused, with :over only those whose pause has an
-- end that has come by then: a later pause stays.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, run.id, run.workflow, run.round, 'resume', :asked_by, CAST(:reason AS TEXT),
    CASE
        WHEN run.ended_at IS NULL AND run.cancel_at IS NULL AND run.paused_at IS NOT NULL
            AND (CAST(:over AS BIGINT) IS NULL OR run.paused_until <= :over)
        THEN 2 ELSE 0
    END, :now
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ON CONFLICT DO NOTHING;


-- name: insert_replacement
-- Keep the keys that this resume replaces.
INSERT INTO cloaca_replacement (run_id, number, content, created_at)
SELECT run.id, run.replacements + 1, :content, :now
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = run.id AND act.id = :id
    ) = 2;


-- name: resume_runs
-- Let these runs go on: with their owner, if one has them still, else once they are claimed. The pause
-- of a parent does not come to one again. With a replacement (:replaced 1) the claim is a second one
-- even of a run that has not begun, so that it is read.
UPDATE cloaca_run
SET status = CASE
        WHEN owner IS NOT NULL THEN 'Running'
        WHEN started_at IS NULL THEN 'Pending'
        WHEN due_at IS NOT NULL THEN 'Waiting'
        ELSE 'Running'
    END,
    paused_at = NULL, paused_until = NULL, steer_reason = NULL,
    stood_still = stood_still
        + CASE WHEN started_at IS NULL OR :now < paused_at THEN 0 ELSE :now - paused_at END,
    deadline_at = deadline_at + CASE WHEN :now < paused_at THEN 0 ELSE :now - paused_at END,
    claimable_at = CASE WHEN due_at IS NULL THEN :now ELSE claimable_at END,
    replacements = replacements + :replaced,
    epoch = CASE WHEN owner IS NULL THEN epoch + :replaced ELSE epoch END,
    paused_with = (
        SELECT parent.pause_id FROM cloaca_run AS parent
        WHERE parent.id = cloaca_run.parent_id AND NOT parent.id IN :ids
    ),
    pause_follows = CASE WHEN pause_id IS NOT NULL THEN 1 ELSE pause_follows END, pause_id = NULL
WHERE id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


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


-- name: note_pause_of_children
-- Note that those of these runs are paused with their parent :parent_id, which is, that are not paused
-- on their own, and to which its pause has not come yet.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :id, child.id, child.workflow, child.round, 'pause', :asked_by, CAST(:reason AS TEXT), 2, :now
FROM cloaca_run AS child
JOIN cloaca_run AS parent ON parent.id = child.parent_id
WHERE child.id IN :ids AND child.parent_id = :parent_id AND child.ended_at IS NULL
    AND child.detached = 0 AND child.cancel_at IS NULL
    AND parent.pause_id IS NOT NULL AND coalesce(child.paused_with, '') <> parent.pause_id
    AND (child.paused_at IS NULL OR child.paused_with IS NOT NULL)
ON CONFLICT DO NOTHING;


-- name: pause_children
-- Pause the runs that note_pause_of_children has named as long as their parent is paused. One that is
-- paused with it still, as its parent was resumed and paused again, stays so.
UPDATE cloaca_run
SET status = 'Paused', paused_at = coalesce(paused_at, :now), steer_reason = :because,
    paused_until = (
        SELECT parent.paused_until FROM cloaca_run AS parent WHERE parent.id = :parent_id
    ),
    paused_with = (SELECT parent.pause_id FROM cloaca_run AS parent WHERE parent.id = :parent_id),
    pause_id = CAST(:id AS TEXT),
    pause_follows = CASE WHEN owner IS NOT NULL OR EXISTS (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
            AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
    ) THEN 1 ELSE pause_follows END
WHERE id IN :ids AND parent_id = :parent_id
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


-- name: note_resume_of_children
-- Note that those of these runs go on with their parent :parent_id that were paused with it.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :id, child.id, child.workflow, child.round, 'resume', :asked_by, CAST(:reason AS TEXT), 2, :now
FROM cloaca_run AS child
JOIN cloaca_run AS parent ON parent.id = child.parent_id
WHERE child.id IN :ids AND child.parent_id = :parent_id AND child.ended_at IS NULL
    AND child.detached = 0 AND child.cancel_at IS NULL
    AND parent.pause_id IS NULL AND child.paused_at IS NOT NULL AND child.paused_with IS NOT NULL
ON CONFLICT DO NOTHING;


-- name: conclude_act
-- This act has been carried out.
UPDATE cloaca_act SET changed = 1 WHERE run_id IN :ids AND id = :id AND changed = 2;


-- name: forget_act
-- An act of a runner's own that has changed nothing is noted nowhere: another one was first.
DELETE FROM cloaca_act WHERE run_id IN :ids AND id = :id AND changed = 0;


-- name: acted
-- What these runs are now, and whether this act changed them.
SELECT run.id, run.status, act.changed
FROM cloaca_act AS act
JOIN cloaca_run AS run ON run.id = act.run_id
WHERE act.run_id IN :ids AND act.id = :id;


-- name: list_wishes
-- What is asked of runs that this runner owns, and how often keys of theirs were replaced.
SELECT id, epoch,
    CASE
        WHEN cancel_at IS NOT NULL THEN 'Cancelled' WHEN paused_at IS NOT NULL THEN 'Paused'
    END AS wish,
    coalesce(steer_reason, '') AS because, cancel_at, replacements
FROM cloaca_run
WHERE owner = :runner_id AND ended_at IS NULL
    AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL OR replacements > 0)
ORDER BY id;


-- name: next_steered
-- When the first pause of a run or a workflow ends that has an end, or the first run is to be cancelled
-- that has not begun.
SELECT min(timer.instant)
FROM (
    SELECT min(run.start_by) AS instant FROM cloaca_run AS run
    WHERE run.start_by IS NOT NULL AND run.started_at IS NULL AND run.ended_at IS NULL
    UNION ALL
    SELECT min(run.paused_until) AS instant FROM cloaca_run AS run
    WHERE run.paused_until IS NOT NULL AND run.ended_at IS NULL
    UNION ALL
    SELECT paused.paused_until AS instant FROM cloaca_paused_workflow AS paused
) AS timer;


-- name: list_not_begun
-- Runs that have not begun by the instant that they were given.
SELECT id FROM cloaca_run
WHERE start_by IS NOT NULL AND started_at IS NULL AND ended_at IS NULL AND start_by <= :now
ORDER BY start_by, id LIMIT :limit;


-- name: note_expiry
-- Note that those of these runs are cancelled that have not begun in time.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, run.id, run.workflow, run.round, 'expire', :asked_by, CAST(:reason AS TEXT), 1, :now
FROM cloaca_run AS run
WHERE run.id IN :ids AND run.owner IS NULL AND run.started_at IS NULL AND run.ended_at IS NULL
    AND run.start_by <= :now
ON CONFLICT DO NOTHING;


-- name: expire_runs
-- End the runs that note_expiry has named.
UPDATE cloaca_run
SET status = 'Cancelled', error_message = :because, steer_reason = :because,
    reason_code = 'expired', ended_at = :now, epoch = epoch + 1, behind = NULL, due_at = NULL,
    paused_at = NULL, paused_until = NULL
WHERE id IN :ids AND owner IS NULL AND started_at IS NULL AND ended_at IS NULL
    AND round = (
        SELECT act.round FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    );


-- name: list_pauses_over
-- Runs whose pause has come to its end.
SELECT id FROM cloaca_run
WHERE paused_until IS NOT NULL AND ended_at IS NULL AND paused_until <= :now
ORDER BY paused_until, id LIMIT :limit;


-- name: parents_to_follow
-- Runs that were cancelled, and whose children are still to be, with the deadline; then runs that were
-- paused or resumed, and whose children are still to be, without one. A run whose bodies may still submit
-- children is left out while it has none that would have to follow.
SELECT marked.id, marked.because, marked.children_at
FROM (
    SELECT * FROM (
        SELECT run.id, coalesce(run.steer_reason, '') AS because, run.children_at
        FROM cloaca_run AS run
        WHERE run.children_at IS NOT NULL AND (run.ended_at IS NOT NULL OR EXISTS (
            SELECT 1 FROM cloaca_run AS child
            WHERE child.parent_id = run.id AND child.parent_id IS NOT NULL
                AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
        ))
        ORDER BY run.children_at, run.id LIMIT :limit
    ) AS cancelled
    UNION ALL
    SELECT * FROM (
        SELECT
            run.id, coalesce(run.steer_reason, '') AS because, CAST(NULL AS BIGINT) AS children_at
        FROM cloaca_run AS run
        WHERE run.pause_follows IS NOT NULL AND (
            run.owner IS NULL OR run.ended_at IS NOT NULL OR run.pause_id IS NULL OR EXISTS (
                SELECT 1 FROM cloaca_run AS child
                WHERE child.parent_id = run.id AND child.parent_id IS NOT NULL
                    AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
                    AND coalesce(child.paused_with, '') <> run.pause_id
                    AND (child.paused_at IS NULL OR child.paused_with IS NOT NULL)
            )
        )
        ORDER BY run.id LIMIT :limit
    ) AS paused
) AS marked
ORDER BY CASE WHEN marked.children_at IS NULL THEN 1 ELSE 0 END, marked.children_at, marked.id
LIMIT :limit;


-- name: list_ended_parents
-- Those of these runs that have ended and whose children are still to be cancelled.
SELECT id, coalesce(steer_reason, '') AS because, children_at
FROM cloaca_run WHERE id IN :ids AND children_at IS NOT NULL AND +ended_at IS NOT NULL
ORDER BY id;


-- name: children_under_way
-- Runs that these have submitted, and that end with them.
SELECT parent_id, id FROM cloaca_run
WHERE parent_id IN :ids AND parent_id IS NOT NULL AND ended_at IS NULL AND detached = 0
    AND cancel_at IS NULL
ORDER BY parent_id, id LIMIT :limit;


-- name: children_out_of_step
-- Runs that these have submitted and that are to be paused or let go with them: that are not paused on
-- their own, and to which the pause of their parent has not come yet, or that are paused with it still.
SELECT child.parent_id, child.id
FROM cloaca_run AS parent
JOIN cloaca_run AS child ON child.parent_id = parent.id
WHERE parent.id IN :ids AND child.parent_id IN :ids AND child.parent_id IS NOT NULL
    AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
    AND coalesce(child.paused_with, '') <> coalesce(parent.pause_id, '')
    AND (child.paused_at IS NOT NULL OR parent.pause_id IS NOT NULL)
    AND (child.paused_at IS NULL OR child.paused_with IS NOT NULL)
ORDER BY child.parent_id, child.id LIMIT :limit;


-- name: forget_pauses
-- The children of these runs are paused or go on as they do, unless there are more of them, or may be: a
-- paused run that has an owner may submit some.
UPDATE cloaca_run SET pause_follows = NULL
WHERE id IN :ids AND pause_follows IS NOT NULL
    AND (owner IS NULL OR ended_at IS NOT NULL OR pause_id IS NULL)
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
            AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
            AND coalesce(child.paused_with, '') <> coalesce(cloaca_run.pause_id, '')
            AND (child.paused_at IS NOT NULL OR cloaca_run.pause_id IS NOT NULL)
            AND (child.paused_at IS NULL OR child.paused_with IS NOT NULL)
    );


-- name: list_strays
-- Those of these runs whose parent is being cancelled, or was, with its id and why. They were added when
-- nothing looked at the parent.
SELECT child.id, parent.id AS parent_id, coalesce(parent.steer_reason, '') AS because
FROM cloaca_run AS child
JOIN cloaca_run AS parent ON parent.id = child.parent_id
WHERE child.id IN :ids AND child.detached = 0
    AND (parent.cancel_at IS NOT NULL OR parent.status = 'Cancelled')
ORDER BY child.id;


-- name: forget_children
-- The children of these runs are being cancelled, unless there are more of them, or may be: a run that
-- has not ended may submit some. As with acts, a plan may not begin at the children of all runs.
UPDATE cloaca_run SET children_at = NULL
WHERE id IN :ids AND children_at IS NOT NULL AND ended_at IS NOT NULL
    AND (
        SELECT child.id FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
            AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
        LIMIT 1
    ) IS NULL;


-- name: list_acts
-- What was asked of any run or workflow, newest first.
SELECT id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
FROM cloaca_act WHERE created_at >= 0
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tombstone AS gone ON gone.root_id = coalesce(run.root_id, run.id)
        WHERE run.id = cloaca_act.run_id
    )
ORDER BY created_at DESC, id DESC, run_id DESC LIMIT :limit;


-- name: list_acts_of_run
-- What was asked of one run, newest first.
SELECT id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
FROM cloaca_act WHERE run_id = :run_id
ORDER BY created_at DESC, id DESC LIMIT :limit;


-- name: lock_paused_workflows
-- Whether this workflow is paused; a database that lets several transactions write lets one of those
-- that pause or resume workflows go on.
SELECT workflow FROM cloaca_paused_workflow WHERE workflow = :workflow;


-- name: note_workflow_act
-- Note that this workflow is paused (:kind pause) or goes on (resume), and whether that changes it. With
-- :over it goes on only if its pause has an end that has come by then.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, '', :workflow, 0, :kind, :asked_by, CAST(:reason AS TEXT),
    CASE
        WHEN (:kind = 'resume')
            = EXISTS (
                SELECT 1 FROM cloaca_paused_workflow
                WHERE workflow = :workflow
                    AND (CAST(:over AS BIGINT) IS NULL OR paused_until <= :over)
            )
        THEN 2 ELSE 0
    END, :now
WHERE 1 = 1
ON CONFLICT DO NOTHING;


-- name: pause_workflow
-- Have no runner claim runs of this workflow.
INSERT INTO cloaca_paused_workflow (workflow, paused_at, paused_until)
SELECT :workflow, :now, CAST(:until AS BIGINT)
FROM cloaca_act AS act WHERE act.run_id = '' AND act.id = :id AND act.changed = 2;


-- name: resume_workflow
-- Let runs of this workflow be claimed.
DELETE FROM cloaca_paused_workflow
WHERE workflow = :workflow AND EXISTS (
    SELECT 1 FROM cloaca_act AS act WHERE act.run_id = '' AND act.id = :id AND act.changed = 2
);


-- name: list_paused_workflows
-- Workflows that are paused, and when those pauses end that have an end.
SELECT workflow, paused_until FROM cloaca_paused_workflow ORDER BY workflow;


-- name: workflow_acted
-- Whether this act changed its workflow.
SELECT changed FROM cloaca_act WHERE run_id = '' AND id = :id;


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


-- name: start_after_cancelled
-- Let start what waits behind runs that mark_cancelled has named, by the rule of start_next. They can
-- be found as long as they have not ended.
UPDATE cloaca_run SET behind = (
    SELECT earlier.id
    FROM cloaca_schedule AS schedule
    CROSS JOIN cloaca_run AS earlier
    WHERE schedule.id = cloaca_run.schedule_id AND earlier.schedule_id = schedule.id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.status <> 'Cancelled' AND earlier.workflow = cloaca_run.workflow
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
)
WHERE behind IS NOT NULL AND behind IN (
    SELECT before.id FROM cloaca_run AS before
    WHERE before.owner = :runner_id AND before.ended_at IS NULL AND before.cancel_at IS NOT NULL
        AND before.status = 'Cancelled'
);


-- name: end_cancelled
-- End the runs that mark_cancelled has named.
UPDATE cloaca_run
SET error_message = steer_reason, reason_code = 'cancelled', ended_at = :now, owner = NULL,
    epoch = epoch + 1
WHERE owner = :runner_id AND ended_at IS NULL AND cancel_at IS NOT NULL AND status = 'Cancelled'
RETURNING id;


-- name: note_retry
-- Note that these runs are begun again. That changes those that have failed or were cancelled, are still
-- in the round that their caller has seen, and have no children left that are to be cancelled with it.
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
                    AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
            )) THEN 2
        ELSE 0
    END, :now
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ON CONFLICT DO NOTHING;


-- name: keep_round
-- Keep how the last rounds of these runs have ended.
INSERT INTO cloaca_round (
    run_id, round, status, error_message, reason_code, limit_seconds, final_context, started_at,
    ended_at
)
SELECT
    run.id, run.round, run.status, run.error_message, run.reason_code, run.limit_seconds,
    run.final_context, run.started_at, run.ended_at
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = run.id AND act.id = :id
    ) = 2
ON CONFLICT DO NOTHING;


-- name: restart_tasks
-- Let the attempts of a task before :first_attempt be history. A task that did not start in the round
-- before has a row with that attempt already.
INSERT INTO cloaca_restart (run_id, task_id, first_attempt, round, with_children)
SELECT act.run_id, :task_id, :first_attempt, act.round + 1, :with_children
FROM cloaca_act AS act
WHERE act.run_id = :run_id AND act.id = :id AND act.changed = 2
ON CONFLICT (run_id, task_id, first_attempt) DO UPDATE SET
    round = excluded.round, with_children = excluded.with_children;


-- name: reopen_run
-- Begin the next rounds of these runs: they may be claimed. Children that were paused with them go on.
-- They keep their time limits if none is given.
UPDATE cloaca_run
SET status = 'Pending', round = round + 1, owner = NULL, epoch = epoch + 1, recoveries = 0,
    claimable_at = :now, due_at = NULL, started_at = NULL, ended_at = NULL, error_message = NULL,
    reason_code = NULL, limit_seconds = NULL, reason_tasks = NULL, final_context = NULL,
    cancel_at = NULL,
    paused_at = NULL, paused_until = NULL, stood_still = 0, deadline_at = NULL,
    time_limit = coalesce(CAST(:time_limit AS BIGINT), time_limit),
    steer_reason = NULL, children_at = NULL, start_by = NULL,
    paused_with = (
        SELECT parent.pause_id FROM cloaca_run AS parent
        WHERE parent.id = cloaca_run.parent_id AND NOT parent.id IN :ids
    ),
    pause_follows = CASE WHEN pause_id IS NOT NULL THEN 1 ELSE pause_follows END, pause_id = NULL
WHERE id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


-- name: list_restarts
-- The tasks of these runs that were restarted.
SELECT run_id, task_id, first_attempt, round, with_children FROM cloaca_restart
WHERE run_id IN :ids
ORDER BY run_id, task_id, first_attempt;


-- name: list_replacements
-- The keys of these runs that were replaced, oldest first.
SELECT run_id, number, content, created_at FROM cloaca_replacement
WHERE run_id IN :ids ORDER BY run_id, number;


-- name: list_rounds
-- How the earlier rounds of a run have ended, oldest first.
SELECT ended.run_id, ended.round, ended.status, ended.error_message, ended.reason_code,
    ended.limit_seconds, coalesce(ended.final_context, run.input) AS final_context,
    ended.started_at, ended.ended_at
FROM cloaca_round AS ended
JOIN cloaca_run AS run ON run.id = ended.run_id
WHERE ended.run_id = :run_id ORDER BY ended.round;


-- name: list_children
-- The runs that these have submitted and that end with them, those of each parent oldest first.
SELECT parent_id, id, status, idempotency_key, workflow, round FROM cloaca_run
WHERE parent_id IN :ids AND parent_id IS NOT NULL AND detached = 0
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY parent_id, id;


-- name: insert_fork
-- Add a run of the same workflow and with the same input as :source_id; its first claim is a second
-- one, so that the results that it begins with are read. With a taken idempotency key nothing changes.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, created_at, claimable_at, priority,
    time_limit, replacements, epoch, status
)
SELECT
    :id, source.workflow, :version, source.input, :tags, CAST(:idempotency_key AS TEXT),
    :created_at, :created_at, source.priority, source.time_limit,
    source.replacements, 1, 'Pending'
FROM cloaca_run AS source
WHERE source.id = :source_id
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
-- Give a new run the results of tasks of the run that it was made of.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, change, started_at, ended_at, crashes, replacements
)
SELECT
    :id, result.task_id, result.attempt, 0, result.status, result.change, result.started_at,
    result.ended_at, 0, result.replacements
FROM cloaca_attempt AS result
WHERE result.run_id = :source_id AND result.task_id IN :kept AND result.status = 'Completed'
    AND result.attempt = (
        SELECT max(latest.attempt) FROM cloaca_attempt AS latest
        WHERE latest.run_id = :source_id AND latest.task_id = result.task_id
    )
    AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
ON CONFLICT DO NOTHING;


-- name: copy_replacements
-- Keep the keys that were replaced in the source.
INSERT INTO cloaca_replacement (run_id, number, content, created_at)
SELECT :id, earlier.number, earlier.content, earlier.created_at
FROM cloaca_replacement AS earlier
JOIN cloaca_run AS made ON made.id = :id AND made.replacements >= earlier.number
WHERE earlier.run_id = :source_id
ON CONFLICT DO NOTHING;


-- name: note_fork
-- Note of which run, and from which of its tasks on, a new run was made.
INSERT INTO cloaca_fork (run_id, forked_from, from_task, content, created_at)
SELECT :id, :source_id, :from_task, CAST(:content AS TEXT), :created_at
WHERE EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
ON CONFLICT DO NOTHING;


-- name: copy_forks
-- Keep the keys that were set before tasks of the source whose results are kept.
INSERT INTO cloaca_fork (run_id, forked_from, from_task, content, created_at)
SELECT :id, earlier.forked_from, earlier.from_task, earlier.content, earlier.created_at
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
WHERE run_id IN :ids ORDER BY run_id, created_at, from_task;
