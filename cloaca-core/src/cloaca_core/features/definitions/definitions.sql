-- Recorded definitions of workflows, and which version of each workflow is the newest. Read the head
-- of store/sql/runs.sql first.


-- name: insert_definition
-- Record versions of workflows, except those that are recorded already. Rows come in the order of
-- workflows, here and in put_workflow: two runners that record the same ones could deadlock otherwise.
INSERT INTO cloaca_definition :rows(workflow, version, name, content, recorded_at)
ON CONFLICT DO NOTHING;


-- name: put_workflow
-- Make versions the newest of their workflows. Nothing is written where they are that already.
INSERT INTO cloaca_workflow AS known :rows(workflow, version, name, short_name, retention, queue)
ON CONFLICT (workflow) DO UPDATE SET
    version = excluded.version, name = excluded.name, retention = excluded.retention,
    queue = excluded.queue
WHERE known.version <> excluded.version OR known.name <> excluded.name
    OR known.retention IS DISTINCT FROM excluded.retention OR known.queue <> excluded.queue;


-- name: newest_definitions
-- Find the newest versions of these workflows.
SELECT workflow, version, name, retention, queue FROM cloaca_workflow
WHERE workflow IN :workflows ORDER BY workflow;


-- name: definitions_named
-- Find the newest version of each workflow that has this full name, short name or builder's name.
SELECT workflow, version, name, retention, queue FROM cloaca_workflow
WHERE workflow = :name OR short_name = :name OR name = :name
ORDER BY workflow;


-- name: list_definitions
-- List the newest version of each workflow.
SELECT workflow, version, name, retention, queue FROM cloaca_workflow ORDER BY workflow;


-- name: get_definition
-- Read one version of a workflow.
SELECT :columns(definition) FROM cloaca_definition
WHERE workflow = :workflow AND version = :version;
