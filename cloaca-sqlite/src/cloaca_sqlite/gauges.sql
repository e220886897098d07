-- Numbers for metrics that SQLite words in its own way, and why.
--
-- * read_gauges: the index by status has the ended runs only; INDEXED BY names those of the others, which
--   all have the status. The pages of the file are its size.


-- name: read_gauges
-- Count the runs that have not ended by status, by their indexes, and read since when the first of those
-- that may be claimed waits, and how many wait in each queue. Runs of a paused workflow wait for people. A
-- row has a kind, a status or queue, and a number; that of the kind "bytes" is the size of the file.
SELECT 'runs' AS kind, status, count(*) AS number FROM (
    SELECT status FROM cloaca_run INDEXED BY cloaca_run_owned
    WHERE owner IS NOT NULL AND ended_at IS NULL
    UNION ALL
    SELECT status FROM cloaca_run INDEXED BY cloaca_run_held
    WHERE owner IS NULL AND ended_at IS NULL
        AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL)
    UNION ALL
    SELECT status FROM cloaca_run INDEXED BY cloaca_run_claimable
    WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
        AND due_at IS NULL
)
GROUP BY status
UNION ALL
SELECT 'claimable_since', '', min(claimable_at) FROM cloaca_run INDEXED BY cloaca_run_claimable
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL
    AND workflow NOT IN (SELECT workflow FROM cloaca_paused_workflow)
UNION ALL
SELECT 'queue', queue, count(*) FROM cloaca_run INDEXED BY cloaca_run_claimable
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL
    AND workflow NOT IN (SELECT workflow FROM cloaca_paused_workflow)
GROUP BY queue
UNION ALL
SELECT 'bytes', '', pages.page_count * one.page_size
FROM pragma_page_count AS pages, pragma_page_size AS one;
