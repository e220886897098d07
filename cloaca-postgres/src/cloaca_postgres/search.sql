-- Searches that PostgreSQL words in its own way, and why; for rules read the head of runs.sql first.
--
-- * ended_ids: the + keeps PostgreSQL from another index than that of the status.
-- * match_runs: a LIMIT keeps PostgreSQL from a join that would look at all tombstones for each run.
--   Its conditions are JSON, which ->> takes apart and which must be cast for it. lower knows
--   only A to Z with the collation "C", as in SQLite; else it depends on the database's locale.


-- name: ended_ids
-- The newest ended runs of one status; the others have other statuses.
SELECT id FROM cloaca_run
WHERE +ended_at IS NOT NULL AND status = :value AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: match_runs
-- Those of these runs that meet all conditions. A condition is a list: its kind, 1 if it is negated,
-- else 0, its key, and its values. It is not met where negated and matched are the same.
SELECT :columns(RunRow AS run, input = '', final_context = '', claimable_at = 0, trace = NULL)
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
            WHEN 'queue' THEN (term.value -> 3) ? run.queue
            WHEN 'parent' THEN
                (term.value -> 3) ? coalesce(run.parent_id, '')
                OR (run.detached = 1 AND (term.value -> 3) ? '')
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
            WHEN 'act' THEN EXISTS (
                SELECT 1 FROM cloaca_act AS own
                WHERE own.run_id = run.id AND own.changed = 1 AND own.id = ANY (
                    ARRAY(SELECT jsonb_array_elements_text(term.value -> 3))
                )
            )
        END
    )
    AND (
        SELECT gone.root_id FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id) LIMIT 1
    ) IS NULL
ORDER BY run.id DESC;
