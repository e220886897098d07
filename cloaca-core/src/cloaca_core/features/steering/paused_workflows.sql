-- Pauses of workflows: no run of theirs is claimed. Read the head of steering.sql first; an act on a
-- workflow is about no run, and has an empty text for its id.


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


-- name: workflow_acted
-- Whether this act changed its workflow.
SELECT changed FROM cloaca_act WHERE run_id = '' AND id = :id;


-- name: list_paused_workflows
-- Workflows that are paused, and when those pauses end that have an end.
SELECT workflow, paused_until FROM cloaca_paused_workflow ORDER BY workflow;


-- name: list_pauses
-- The pauses of workflows, each with who has asked for it: its act has the time of the pause.
SELECT paused.workflow, paused.paused_at, paused.paused_until, act.asked_by, act.reason
FROM cloaca_paused_workflow AS paused
LEFT JOIN cloaca_act AS act ON act.run_id = '' AND act.id = (
    SELECT max(latest.id) FROM cloaca_act AS latest
    WHERE latest.created_at = paused.paused_at AND latest.created_at >= 0 AND latest.run_id = ''
        AND latest.workflow = paused.workflow AND latest.kind = 'pause' AND latest.changed = 1
)
ORDER BY paused.workflow;
