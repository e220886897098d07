-- Numbers for metrics that PostgreSQL words in its own way, and why.
--
-- * read_gauges: the size is that of our tables and their indexes. The database may hold others.


-- name: read_gauges
-- Count the runs that have not ended by status, and read since when the first of those that may be claimed
-- waits, and how many wait in each queue. Runs of a paused workflow wait for people. A row has a kind, a
-- status or queue, and a number; that of the kind "bytes" is the size of our tables.
SELECT 'runs' AS kind, run.status, count(*) AS number
FROM cloaca_run AS run
WHERE run.status IN ('Pending', 'Running', 'Waiting', 'Paused', 'Cancelling')
GROUP BY run.status
UNION ALL
SELECT 'claimable_since', '', min(run.claimable_at)
FROM cloaca_run AS run
WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL AND run.paused_at IS NULL
    AND run.due_at IS NULL
    AND run.workflow NOT IN (SELECT workflow FROM cloaca_paused_workflow)
UNION ALL
SELECT 'queue', run.queue, count(*)
FROM cloaca_run AS run
WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL AND run.paused_at IS NULL
    AND run.due_at IS NULL
    AND run.workflow NOT IN (SELECT workflow FROM cloaca_paused_workflow)
GROUP BY run.queue
UNION ALL
SELECT 'bytes', '', CAST(sum(pg_total_relation_size(one.oid)) AS BIGINT)
FROM pg_class AS one
WHERE one.relnamespace = CAST(quote_ident(current_schema()) AS REGNAMESPACE) AND one.relkind = 'r'
    AND starts_with(one.relname, 'cloaca_');
