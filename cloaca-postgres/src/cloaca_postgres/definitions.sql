-- Statements about definitions that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * record_definition: rows. They are inserted by workflow, as two runners that record the same ones
--   could deadlock otherwise.


-- name: record_definition
-- Record definitions as the newest of their workflows, except those that are that already.
INSERT INTO cloaca_definition (
    workflow, version, name, short_name, number, content, recorded_at
)
SELECT
    new.workflow, new.version, new.name, new.short_name,
    1 + coalesce(
        (SELECT max(number) FROM cloaca_definition AS any_ WHERE any_.workflow = new.workflow), 0
    ),
    new.content, new.recorded_at
FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:short_name AS TEXT[]), CAST(:content AS TEXT[]), CAST(:recorded_at AS BIGINT[])
) AS new (workflow, version, name, short_name, content, recorded_at)
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_definition AS same
    WHERE same.workflow = new.workflow AND same.version = new.version AND same.name = new.name
        AND NOT EXISTS (
            SELECT 1 FROM cloaca_definition AS newer
            WHERE newer.workflow = same.workflow
                AND (newer.number, newer.version) > (same.number, same.version)
        )
)
ORDER BY new.workflow COLLATE "C"
ON CONFLICT (workflow, version) DO UPDATE SET number = excluded.number, name = excluded.name;
