-- Recorded definitions of workflows. Read the head of runs.sql first.
--
-- The newest version of a workflow is the one with the greatest number (of equal ones the greater
-- version): the one that a runner registered last, on no clock.


-- name: record_definition
-- Record a definition as the newest of its workflow, unless it is that already.
INSERT INTO cloaca_definition (
    workflow, version, name, short_name, number, content, recorded_at
)
SELECT
    :workflow, :version, :name, :short_name,
    1 + coalesce((SELECT max(number) FROM cloaca_definition WHERE workflow = :workflow), 0),
    :content, :recorded_at
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_definition AS same
    WHERE same.workflow = :workflow AND same.version = :version AND same.name = :name
        AND NOT EXISTS (
            SELECT 1 FROM cloaca_definition AS newer
            WHERE newer.workflow = same.workflow
                AND (newer.number, newer.version) > (same.number, same.version)
        )
)
ON CONFLICT (workflow, version) DO UPDATE SET number = excluded.number, name = excluded.name;


-- name: newest_definitions
-- Find the newest versions of these workflows.
SELECT workflow, version, name FROM cloaca_definition AS known
WHERE workflow IN :workflows
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_definition AS newer
        WHERE newer.workflow = known.workflow
            AND (newer.number, newer.version) > (known.number, known.version)
    )
ORDER BY workflow;


-- name: definitions_named
-- Find the newest version of each workflow that has this full name, short name or builder's name.
SELECT workflow, version, name FROM cloaca_definition AS known
WHERE (workflow = :name OR short_name = :name OR name = :name)
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_definition AS newer
        WHERE newer.workflow = known.workflow
            AND (newer.number, newer.version) > (known.number, known.version)
    )
ORDER BY workflow;


-- name: list_definitions
-- List the newest version of each workflow.
SELECT workflow, version, name FROM cloaca_definition AS known
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_definition AS newer
    WHERE newer.workflow = known.workflow
        AND (newer.number, newer.version) > (known.number, known.version)
)
ORDER BY workflow;


-- name: get_definition
-- Read one version of a workflow.
SELECT workflow, version, name, content, recorded_at FROM cloaca_definition
WHERE workflow = :workflow AND version = :version;
