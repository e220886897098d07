-- Runs that follow the ends of others. Read the head of store/sql/runs.sql first.
--
-- insert_follow_up, follow_ends and follow_cancelled are in the files of the backends: they make text of
-- JSON, and ids.


-- name: insert_when_ended
-- Record what follows the ends of workflows' runs, unless it is recorded already. Rows come in the
-- order of their keys, for the same reason as in insert_definition.
INSERT INTO cloaca_when_ended :rows(workflow, version, place, status, submits, content)
ON CONFLICT DO NOTHING;


-- name: list_follow_ups
-- Find the runs that follow ends of these runs, and those of these runs that follow others.
SELECT id, workflow, follows, follows_round, created_at FROM cloaca_run
WHERE follows IN :ids AND follows IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
UNION
SELECT id, workflow, follows, follows_round, created_at FROM cloaca_run
WHERE id IN :ids AND follows IS NOT NULL
ORDER BY id;
