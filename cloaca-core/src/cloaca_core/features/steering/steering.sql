-- Steering: what people and programs ask of runs. Read the head of store/sql/runs.sql first.
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
-- Lock the schedules that have made these runs: who decides their ticks waits, and then finds these
-- runs ended.
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id IN (
    SELECT run.schedule_id FROM cloaca_run AS run
    WHERE run.id IN :ids AND run.schedule_id IS NOT NULL
)
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


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
            WHERE parent.id = :parent_id AND parent.cancels_children IS NOT NULL
        )
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ON CONFLICT DO NOTHING;


-- name: cancel_unowned
-- End those of these runs that no runner owns. Their children are to be cancelled next, also those of
-- children that have ended.
UPDATE cloaca_run
SET status = 'Cancelled', error_message = :because, steer_reason = :because,
    reason_code = 'cancelled', ended_at = :now, epoch = epoch + 1, behind = NULL, due_at = NULL,
    paused_at = NULL, paused_until = NULL, cancels_children = CASE WHEN :children = 1 THEN 1 END,
    children_at = CASE WHEN :children = 1 AND EXISTS (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL AND child.detached = 0
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
    cancels_children = CASE
        WHEN :children = 0 THEN cancels_children
        WHEN EXISTS (
            SELECT 1 FROM cloaca_run AS child
            WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
                AND child.detached = 0
        ) THEN 2
        ELSE 1
    END,
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
    pause_follows = CASE
        WHEN :children = 0 THEN pause_follows
        WHEN EXISTS (
            SELECT 1 FROM cloaca_run AS child
            WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
                AND child.detached = 0
        ) THEN 2
        WHEN owner IS NOT NULL THEN 1
        ELSE pause_follows
    END
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
-- of a parent does not come to one again: of the first one above it that has not ended, if any. With a
-- replacement (:replaced 1) the claim is a second one even of a run that has not begun, so that it is read.
-- Of a run that rests a claim counts the time, with the pause.
UPDATE cloaca_run
SET status = CASE
        WHEN owner IS NOT NULL THEN 'Running'
        WHEN started_at IS NULL THEN 'Pending'
        WHEN due_at IS NOT NULL THEN 'Waiting'
        ELSE 'Running'
    END,
    paused_at = NULL, paused_until = NULL, steer_reason = NULL,
    stood_still = stood_still
        + CASE
            WHEN started_at IS NULL OR rests_since IS NOT NULL OR :now < paused_at THEN 0
            ELSE :now - paused_at
        END,
    deadline_at = deadline_at
        + CASE WHEN rests_since IS NOT NULL OR :now < paused_at THEN 0 ELSE :now - paused_at END,
    claimable_at = CASE WHEN due_at IS NULL THEN :now ELSE claimable_at END,
    replacements = replacements + :replaced,
    epoch = CASE WHEN owner IS NULL THEN epoch + :replaced ELSE epoch END,
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


-- name: conclude_act
-- This act has been carried out.
UPDATE cloaca_act SET changed = 1 WHERE run_id IN :ids AND id = :id AND changed = 2;


-- name: forget_act
-- An act of a runner's own that has changed nothing is noted nowhere: another one was first.
DELETE FROM cloaca_act WHERE run_id IN :ids AND id = :id AND changed = 0;


-- name: acted
-- The states of these runs now, and whether this act changed them.
SELECT run.id, run.status, act.changed
FROM cloaca_act AS act
JOIN cloaca_run AS run ON run.id = act.run_id
WHERE act.run_id IN :ids AND act.id = :id;


-- name: list_stop_requests
-- The runs of this runner that must be paused or cancelled, how often keys of runs were replaced, and how many
-- messages were sent to those that have unread ones.
SELECT id, epoch,
    CASE
        WHEN cancel_at IS NOT NULL THEN 'Cancelled' WHEN paused_at IS NOT NULL THEN 'Paused'
    END AS stop_request,
    coalesce(steer_reason, '') AS because, cancel_at, replacements,
    CASE WHEN messages > 0 AND EXISTS (
        SELECT 1 FROM cloaca_message AS unread
        WHERE unread.run_id = cloaca_run.id AND unread.taken_by IS NULL AND unread.number > 0
    ) THEN messages ELSE 0 END AS mail
FROM cloaca_run
WHERE owner = :runner_id AND ended_at IS NULL
    AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL OR replacements > 0 OR messages > 0)
ORDER BY id;


-- name: parents_to_follow
-- Runs that were cancelled, and whose children are still to be, with the deadline; then runs that were
-- paused or resumed, and whose children are still to be, without one. A run whose bodies may still submit
-- children is left out while it has none that would have to follow, and those of ended children do.
SELECT marked.id, marked.because, marked.children_at, marked.has_failed
FROM (
    SELECT * FROM (
        SELECT
            run.id, coalesce(run.steer_reason, '') AS because, run.children_at,
            CASE WHEN run.status = 'Failed' THEN 1 ELSE 0 END AS has_failed
        FROM cloaca_run AS run
        WHERE run.children_at IS NOT NULL AND (
            run.ended_at IS NOT NULL OR run.cancels_children = 2 OR EXISTS (
                SELECT 1 FROM cloaca_run AS child
                WHERE child.parent_id = run.id AND child.parent_id IS NOT NULL
                    AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
            )
        )
        ORDER BY run.children_at, run.id LIMIT :limit
    ) AS cancelled
    UNION ALL
    SELECT * FROM (
        SELECT
            run.id, coalesce(run.steer_reason, '') AS because,
            CAST(NULL AS BIGINT) AS children_at, 0 AS has_failed
        FROM cloaca_run AS run
        WHERE run.pause_follows IS NOT NULL AND (
            run.owner IS NULL OR run.ended_at IS NOT NULL OR run.pause_id IS NULL
            OR run.pause_follows = 2 OR EXISTS (
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


-- name: list_unnumbered
-- List runs that have messages without a number.
SELECT DISTINCT run_id FROM cloaca_message WHERE number IS NULL
ORDER BY run_id LIMIT :limit;


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


-- name: note_act
-- Note an act on no run.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
VALUES (
    :act_id, '', :act_workflow, 0, :act_kind, :asked_by, CAST(:act_reason AS TEXT), 1, :acted_at
)
ON CONFLICT DO NOTHING;


-- name: list_acts
-- The acts on any run or workflow, newest first, older than a mark.
SELECT :columns(act)
FROM cloaca_act
WHERE created_at >= 0
    AND (created_at, id, run_id) < (CAST(:at AS BIGINT), CAST(:act_id AS TEXT), CAST(:run_id AS TEXT))
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tombstone AS gone ON gone.root_id = coalesce(run.root_id, run.id)
        WHERE run.id = cloaca_act.run_id
    )
ORDER BY created_at DESC, id DESC, run_id DESC LIMIT :limit;


-- name: list_asked_acts
-- The same but for submissions, of which there may be as many as runs.
SELECT :columns(act)
FROM cloaca_act
WHERE created_at >= 0 AND kind <> 'submit'
    AND (created_at, id, run_id) < (CAST(:at AS BIGINT), CAST(:act_id AS TEXT), CAST(:run_id AS TEXT))
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tombstone AS gone ON gone.root_id = coalesce(run.root_id, run.id)
        WHERE run.id = cloaca_act.run_id
    )
ORDER BY created_at DESC, id DESC, run_id DESC LIMIT :limit;


-- name: list_acts_of_kind
-- The acts of one kind, newest first, older than a mark.
SELECT :columns(act)
FROM cloaca_act
WHERE kind = :kind
    AND (created_at, id, run_id) < (CAST(:at AS BIGINT), CAST(:act_id AS TEXT), CAST(:run_id AS TEXT))
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tombstone AS gone ON gone.root_id = coalesce(run.root_id, run.id)
        WHERE run.id = cloaca_act.run_id
    )
ORDER BY created_at DESC, id DESC, run_id DESC LIMIT :limit;


-- name: list_acts_of_person
-- The acts of one kind of one person, newest first, older than a mark.
SELECT :columns(act)
FROM cloaca_act
WHERE asked_by = :asked_by AND kind = :kind
    AND (created_at, id, run_id) < (CAST(:at AS BIGINT), CAST(:act_id AS TEXT), CAST(:run_id AS TEXT))
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tombstone AS gone ON gone.root_id = coalesce(run.root_id, run.id)
        WHERE run.id = cloaca_act.run_id
    )
ORDER BY created_at DESC, id DESC, run_id DESC LIMIT :limit;


-- name: search_acts_of_run
-- The acts of these kinds on one run, of one person or (NULL) of any, newest first, older than a mark.
SELECT :columns(act)
FROM cloaca_act
WHERE run_id = :of_run AND kind IN :kinds
    AND (CAST(:asked_by AS TEXT) IS NULL OR asked_by = :asked_by)
    AND (created_at, id, run_id) < (CAST(:at AS BIGINT), CAST(:act_id AS TEXT), CAST(:run_id AS TEXT))
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tombstone AS gone ON gone.root_id = coalesce(run.root_id, run.id)
        WHERE run.id = cloaca_act.run_id
    )
ORDER BY created_at DESC, id DESC, run_id DESC LIMIT :limit;


-- name: kinds_of_person
-- The kinds of acts of one person: a step in the index for each.
WITH RECURSIVE known (kind) AS (
    SELECT min(act.kind) FROM cloaca_act AS act WHERE act.asked_by = :asked_by
    UNION ALL
    SELECT (
        SELECT min(act.kind) FROM cloaca_act AS act
        WHERE act.asked_by = :asked_by AND act.kind > known.kind
    )
    FROM known WHERE known.kind IS NOT NULL
)
SELECT kind FROM known WHERE kind IS NOT NULL;


-- name: list_acts_of_run
-- The acts on one run but for its messages, newest first.
SELECT id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
FROM cloaca_act WHERE run_id = :run_id AND kind NOT IN ('send', 'approve')
ORDER BY created_at DESC, id DESC LIMIT :limit;


-- name: list_replacements
-- The keys of these runs that were replaced, oldest first.
SELECT run_id, number, content, created_at FROM cloaca_replacement
WHERE run_id IN :ids ORDER BY run_id, number;
