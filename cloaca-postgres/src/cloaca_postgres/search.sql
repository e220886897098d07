-- Searches that PostgreSQL words in its own way, and why; for rules read the head of runs.sql first.
--
-- * active_ids, count_active, ended_ids: the + keeps PostgreSQL from another index than that of the status.
-- * longest_claimable: LATERAL; a join by id may read all runs, as its plan expects many workflows.
-- * match_runs: a LIMIT keeps PostgreSQL from a join that would look at all tombstones for each run.
--   Its conditions are JSON, which ->> takes apart and which must be cast for it. lower knows
--   only A to Z with the collation "C", as in SQLite; else it depends on the database's locale.


-- name: active_ids
-- The newest unfinished runs of one status.
SELECT id FROM cloaca_run
WHERE +ended_at IS NULL AND status = :value AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: count_active
-- Count the unfinished runs of one status, in no order.
SELECT count(*) FROM (
    SELECT 1 FROM cloaca_run WHERE +ended_at IS NULL AND status = :value LIMIT :most
) AS active;


-- name: ended_ids
-- The newest ended runs of one status; the others have other statuses.
SELECT id FROM cloaca_run
WHERE +ended_at IS NOT NULL AND status = :value AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: longest_claimable
-- The run that has been claimable for longest: the first one of each workflow, queue and
-- priority is looked at.
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
lines (workflow, queue) AS (
    SELECT waiting.workflow, (
        SELECT min(run.queue) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = waiting.workflow
    )
    FROM waiting
    WHERE waiting.workflow IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = waiting.workflow
    )
    UNION ALL
    SELECT lines.workflow, (
        SELECT min(run.queue) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = lines.workflow AND run.queue > lines.queue
    )
    FROM lines WHERE lines.queue IS NOT NULL
),
levels (workflow, queue, priority) AS (
    SELECT lines.workflow, lines.queue, (
        SELECT max(run.priority) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = lines.workflow AND run.queue = lines.queue
    )
    FROM lines WHERE lines.queue IS NOT NULL
    UNION ALL
    SELECT levels.workflow, levels.queue, (
        SELECT max(run.priority) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = levels.workflow AND run.queue = levels.queue
            AND run.priority < levels.priority
    )
    FROM levels WHERE levels.priority IS NOT NULL
)
SELECT first.id, first.claimable_at
FROM levels
CROSS JOIN LATERAL (
    SELECT run.id, run.claimable_at FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
        AND run.paused_at IS NULL AND run.due_at IS NULL
        AND run.workflow = levels.workflow AND run.queue = levels.queue
        AND run.priority = levels.priority
    ORDER BY run.claimable_at, run.id LIMIT 1
) AS first
ORDER BY first.claimable_at, first.id LIMIT 1;


-- name: match_runs
-- Those of these runs that meet all conditions. A condition is a list: its kind, 1 if it is negated,
-- else 0, its key, and its values. It is not met where negated and matched are the same.
SELECT run.id, run.workflow, run.version, run.status, run.owner, run.epoch, run.recoveries,
    '' AS input, run.tags, run.parent_id, '' AS final_context, run.error_message,
    run.created_at, run.started_at, run.ended_at, run.schedule_id, run.reason_code,
    run.limit_seconds, run.round, run.priority, run.due_at, run.steer_reason,
    run.stood_still, run.time_limit, run.deadline_at, run.reason_tasks, run.came_due, run.messages,
    0 AS claimable_at, NULL AS trace, run.ran_version,
    run.queue
FROM cloaca_run AS run
WHERE run.id IN :ids
    AND (CAST(:since AS BIGINT) IS NULL OR run.created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR run.created_at < :until)
    AND (CAST(:ended_since AS BIGINT) IS NULL OR run.ended_at >= :ended_since)
    AND NOT EXISTS (
        SELECT 1
        FROM (
            SELECT CAST(item AS JSONB) AS value FROM unnest(CAST(:conditions AS TEXT[])) AS item
        ) AS term
        WHERE ((term.value ->> 1) = '1') = CASE term.value ->> 0
            WHEN 'status' THEN (term.value -> 3) ? run.status
            WHEN 'workflow' THEN (term.value -> 3) ? run.workflow
            WHEN 'parent' THEN (term.value -> 3) ? coalesce(run.parent_id, '')
            WHEN 'id' THEN EXISTS (
                SELECT 1 FROM jsonb_array_elements_text(term.value -> 3) AS given
                WHERE substr(run.id, 1, length(given)) = given
            )
            WHEN 'error' THEN EXISTS (
                SELECT 1 FROM jsonb_array_elements_text(term.value -> 3) AS given
                WHERE replace(
                    lower(run.error_message COLLATE "C"), lower(given COLLATE "C"), ''
                ) <> lower(run.error_message COLLATE "C")
            )
            WHEN 'tag' THEN EXISTS (
                SELECT 1 FROM cloaca_run_tag AS own
                WHERE own.run_id = run.id AND own.tag = term.value ->> 2
                    AND (term.value -> 3) ? own.content
            )
            WHEN 'task' THEN EXISTS (
                SELECT 1 FROM cloaca_attempt AS own
                WHERE own.run_id = run.id AND own.attempt > 0 AND own.task_id = ANY (
                    ARRAY(SELECT jsonb_array_elements_text(term.value -> 3))
                )
            )
            WHEN 'reason' THEN EXISTS (
                SELECT 1 FROM cloaca_attempt AS own
                WHERE own.run_id = run.id AND (term.value -> 3) ? own.reason_code
                    AND NOT EXISTS (
                        SELECT 1 FROM cloaca_attempt AS later
                        WHERE later.run_id = run.id AND later.task_id = own.task_id
                            AND later.item = own.item
                            AND later.attempt > own.attempt
                    )
                    AND NOT EXISTS (
                        SELECT 1 FROM cloaca_restart AS again
                        WHERE again.run_id = run.id AND again.task_id = own.task_id
                            AND again.item = own.item
                            AND again.first_attempt > own.attempt
                    )
            )
            WHEN 'by' THEN EXISTS (
                SELECT 1 FROM cloaca_act AS own
                WHERE own.run_id = run.id AND (term.value -> 3) ? own.asked_by
            )
        END
    )
    AND (
        SELECT gone.root_id FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id) LIMIT 1
    ) IS NULL
ORDER BY run.id DESC;
