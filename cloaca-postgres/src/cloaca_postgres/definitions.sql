-- Statements about definitions that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * insert_definition, put_workflow: rows, written by workflow, as two runners that record the same
--   ones could deadlock otherwise.


-- name: insert_definition
-- Record versions of workflows, except those that are recorded already.
INSERT INTO cloaca_definition (workflow, version, name, content, recorded_at)
SELECT new.workflow, new.version, new.name, new.content, new.recorded_at
FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:content AS TEXT[]), CAST(:recorded_at AS BIGINT[])
) AS new (workflow, version, name, content, recorded_at)
ORDER BY new.workflow COLLATE "C"
ON CONFLICT DO NOTHING;


-- name: put_workflow
-- Make versions the newest of their workflows.
INSERT INTO cloaca_workflow AS known (workflow, version, name, short_name, retention)
SELECT new.workflow, new.version, new.name, new.short_name, new.retention
FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:short_name AS TEXT[]), CAST(:retention AS BIGINT[])
) AS new (workflow, version, name, short_name, retention)
ORDER BY new.workflow COLLATE "C"
ON CONFLICT (workflow) DO UPDATE SET
    version = excluded.version, name = excluded.name, retention = excluded.retention
WHERE known.version <> excluded.version OR known.name <> excluded.name
    OR known.retention IS DISTINCT FROM excluded.retention;
