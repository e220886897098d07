-- Which waiters of a line come first is an inner list, in the order of an index.


-- name: read_lines
SELECT
    name, key, held, tat, given, opens_at, first_rank, first_at, oldest_at, edition, keys_rank, keys_at,
    keys_oldest, looked_at
FROM cloaca_limit_line WHERE id IN :ids;


-- name: put_line
-- A line as it is known. The first and the oldest waiter are found again, from the places that the row names
-- as the lowest.
INSERT INTO cloaca_limit_line (
    id, name, key, held, tat, given, opens_at, first_rank, first_at, oldest_at, edition, keys_rank, keys_at,
    keys_oldest, looked_at
)
SELECT
    :new.id, :new.name, :new.key, :new.held, :new.tat, :new.given, :new.opens_at, first.rank, first.since,
    oldest.since, :new.edition, :new.keys_rank, :new.keys_at, :new.keys_oldest, :new.looked_at
FROM :rows AS new, (SELECT 1)
LEFT JOIN cloaca_limit_waiter AS first ON first.rowid = (
    SELECT waiter.rowid FROM cloaca_limit_waiter AS waiter
    WHERE waiter.line = :new.id AND (waiter.rank, waiter.since) >= (:new.first_rank, :new.first_at)
    ORDER BY waiter.rank, waiter.since
    LIMIT 1
)
LEFT JOIN cloaca_limit_waiter AS oldest ON oldest.rowid = (
    SELECT waiter.rowid FROM cloaca_limit_waiter AS waiter
    WHERE waiter.line = :new.id AND waiter.since >= :new.oldest_at
    ORDER BY waiter.since
    LIMIT 1
)
WHERE TRUE
ON CONFLICT (id) DO UPDATE SET
    held = excluded.held, tat = excluded.tat, given = excluded.given, opens_at = excluded.opens_at,
    first_rank = excluded.first_rank, first_at = excluded.first_at, oldest_at = excluded.oldest_at,
    edition = excluded.edition + 1, keys_rank = excluded.keys_rank, keys_at = excluded.keys_at,
    keys_oldest = excluded.keys_oldest, looked_at = excluded.looked_at;


-- name: first_waiters
-- The first :depth waiters of each of these lines, and of the first :most lines of a limit whose keys have
-- places, none of which comes before :rank and :since. A line without waiters is one row without one.
SELECT
    line.name, line.key, line.held, line.tat, line.given, line.opens_at, line.first_rank, line.first_at,
    line.oldest_at, line.edition, line.keys_rank, line.keys_at, line.keys_oldest, line.looked_at,
    waiter.run_id, waiter.task_id, waiter.item, waiter.runner_id, waiter.rank, waiter.since,
    waiter.units, waiter.needs
FROM (
    SELECT * FROM cloaca_limit_line WHERE id IN :ids
    UNION
    SELECT * FROM (
        SELECT * FROM cloaca_limit_line
        WHERE name = :name AND first_at IS NOT NULL AND opens_at = 0 AND key <> ''
            AND (first_rank, first_at) >= (:rank, :since)
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
-- The same by age: the waiters that arrived first, and the lines that have them, none before :since.
SELECT
    line.name, line.key, line.held, line.tat, line.given, line.opens_at, line.first_rank, line.first_at,
    line.oldest_at, line.edition, line.keys_rank, line.keys_at, line.keys_oldest, line.looked_at,
    waiter.run_id, waiter.task_id, waiter.item, waiter.runner_id, waiter.rank, waiter.since,
    waiter.units, waiter.needs
FROM (
    SELECT * FROM cloaca_limit_line WHERE id IN :ids
    UNION
    SELECT * FROM (
        SELECT * FROM cloaca_limit_line
        WHERE name = :name AND first_at IS NOT NULL AND opens_at = 0 AND key <> '' AND oldest_at >= :since
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
