-- Recorded definitions of workflows, and which version of each workflow is the newest. Read the head
-- of runs.sql first.


-- name: insert_definition
-- Record a version of a workflow, unless it is recorded already.
INSERT INTO cloaca_definition (workflow, version, name, content, recorded_at)
VALUES (:workflow, :version, :name, :content, :recorded_at)
ON CONFLICT DO NOTHING;


-- name: put_workflow
-- Make a version the newest of its workflow. Nothing is written if it is that already.
INSERT INTO cloaca_workflow AS known (workflow, version, name, short_name, retention)
VALUES (:workflow, :version, :name, :short_name, CAST(:retention AS BIGINT))
ON CONFLICT (workflow) DO UPDATE SET
    version = excluded.version, name = excluded.name, retention = excluded.retention
WHERE known.version <> excluded.version OR known.name <> excluded.name
    OR known.retention IS DISTINCT FROM excluded.retention;


-- name: newest_definitions
-- Find the newest versions of these workflows.
SELECT workflow, version, name, retention FROM cloaca_workflow
WHERE workflow IN :workflows ORDER BY workflow;


-- name: definitions_named
-- Find the newest version of each workflow that has this full name, short name or builder's name.
SELECT workflow, version, name, retention FROM cloaca_workflow
WHERE workflow = :name OR short_name = :name OR name = :name
ORDER BY workflow;


-- name: list_definitions
-- List the newest version of each workflow.
SELECT workflow, version, name, retention FROM cloaca_workflow ORDER BY workflow;


-- name: get_definition
-- Read one version of a workflow.
SELECT workflow, version, name, content, recorded_at FROM cloaca_definition
WHERE workflow = :workflow AND version = :version;
