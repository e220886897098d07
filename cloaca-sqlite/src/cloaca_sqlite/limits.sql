-- Which waiters of a line come first is an inner list, in the order of an index.


-- name: first_waiters
-- The first :depth waiters of each of these lines, and of the first :most lines of a limit whose keys have
-- places. A line without waiters is one row without one.
SELECT
    line.name, line.key, line.held, line.tat, line.given, line.opens_at, line.first_rank, line.first_at,
    line.oldest_at, line.waits,
    waiter.run_id, waiter.task_id, waiter.item, waiter.runner_id, waiter.rank, waiter.since,
    waiter.units, waiter.needs
FROM (
    SELECT * FROM cloaca_limit_line WHERE id IN :ids
    UNION
    SELECT * FROM (
        SELECT * FROM cloaca_limit_line
        WHERE name = :name AND first_at IS NOT NULL AND opens_at = 0 AND key <> ''
        ORDER BY first_rank, first_at
        LIMIT :most
    )
) AS line
LEFT JOIN cloaca_limit_waiter AS waiter ON waiter.rowid IN (
    SELECT each.rowid FROM cloaca_limit_waiter AS each
    WHERE each.line = line.id AND (each.rank, each.since) >= (line.first_rank, line.first_at)
    ORDER BY each.rank, each.since, each.run_id, each.task_id, each.item
    LIMIT :depth
)
ORDER BY
    line.first_rank, line.first_at, line.id, waiter.rank, waiter.since, waiter.run_id, waiter.task_id,
    waiter.item;


-- name: oldest_waiters
-- The same by age: the waiters that arrived first, and the lines that have them.
SELECT
    line.name, line.key, line.held, line.tat, line.given, line.opens_at, line.first_rank, line.first_at,
    line.oldest_at, line.waits,
    waiter.run_id, waiter.task_id, waiter.item, waiter.runner_id, waiter.rank, waiter.since,
    waiter.units, waiter.needs
FROM (
    SELECT * FROM cloaca_limit_line WHERE id IN :ids
    UNION
    SELECT * FROM (
        SELECT * FROM cloaca_limit_line
        WHERE name = :name AND first_at IS NOT NULL AND opens_at = 0 AND key <> ''
        ORDER BY oldest_at
        LIMIT :most
    )
) AS line
LEFT JOIN cloaca_limit_waiter AS waiter ON waiter.rowid IN (
    SELECT each.rowid FROM cloaca_limit_waiter AS each
    WHERE each.line = line.id AND each.since >= line.oldest_at
    ORDER BY each.since, each.run_id, each.task_id, each.item
    LIMIT :depth
)
ORDER BY line.oldest_at, line.id, waiter.since, waiter.run_id, waiter.task_id, waiter.item;
