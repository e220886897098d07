-- Places of limits. Who gets them is decided in Python (giving.py), between statements of a transaction that
-- has locked the limits. No transaction locks a run after a limit.
--
-- The id of a line is its name and key as a JSON list, that of a grant its name and number.


-- name: lock_runner
-- Keep the runner from being fenced until the transaction ends. There is no row if it is fenced already.
SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0
FOR KEY SHARE;


-- name: give_back
-- Remove grants of a runner. Answers the needs of those that it had.
DELETE FROM cloaca_limit_grant WHERE id IN :ids AND runner_id = :runner_id
RETURNING needs;


-- name: give_back_all
-- Remove all grants of a runner that is fenced or has ended.
DELETE FROM cloaca_limit_grant WHERE runner_id = :runner_id
RETURNING needs;


-- name: leave_waiters
-- No runner has the runs of these waiters any more.
UPDATE cloaca_limit_waiter SET runner_id = NULL WHERE runner_id = :runner_id;


-- name: remove_waiters
-- Waiters that no longer want places.
DELETE FROM cloaca_limit_waiter
WHERE run_id = :old.run_id AND task_id = :old.task_id AND item = :old.item;


-- name: lock_limits
-- Lock limits, with all that are taken together with one of them.
SELECT name, content, changes FROM cloaca_limit
WHERE family IN (SELECT own.family FROM cloaca_limit AS own WHERE own.name IN :names)
ORDER BY name
FOR UPDATE;


-- name: read_lines
SELECT name, key, held, tat, given, opens_at, first_rank, first_at, oldest_at, waits
FROM cloaca_limit_line WHERE id IN :ids;


-- name: open_lines
-- Keys whose rate allows one more by now have places again.
UPDATE cloaca_limit_line SET opens_at = 0
WHERE name IN :names AND opens_at > 0 AND opens_at <= :now AND first_at IS NOT NULL AND key <> '';


-- name: next_opening
-- The first instant at which a key for which a waiter stands in line may have a place.
SELECT min(opens_at) FROM cloaca_limit_line
WHERE name IN :names AND opens_at > 0 AND first_at IS NOT NULL AND key <> '';


-- name: put_line
INSERT INTO cloaca_limit_line :rows(
    id, name, key, held:int, tat:int, given:int, opens_at:int, first_rank:int, first_at:int, oldest_at:int,
    waits:int
)
ON CONFLICT (id) DO UPDATE SET
    held = excluded.held, tat = excluded.tat, given = excluded.given, opens_at = excluded.opens_at,
    first_rank = excluded.first_rank, first_at = excluded.first_at, oldest_at = excluded.oldest_at,
    waits = excluded.waits;


-- name: renew_lines
-- Find the first and the oldest waiter of lines again, from the places that the rows name as the lowest.
UPDATE cloaca_limit_line SET
    (first_rank, first_at) = (
        SELECT waiter.rank, waiter.since FROM cloaca_limit_waiter AS waiter
        WHERE waiter.line = cloaca_limit_line.id
            AND (waiter.rank, waiter.since) >= (cloaca_limit_line.first_rank, cloaca_limit_line.first_at)
        ORDER BY waiter.rank, waiter.since
        LIMIT 1
    ),
    oldest_at = (
        SELECT waiter.since FROM cloaca_limit_waiter AS waiter
        WHERE waiter.line = cloaca_limit_line.id AND waiter.since >= cloaca_limit_line.oldest_at
        ORDER BY waiter.since
        LIMIT 1
    )
WHERE id IN :ids;


-- name: renew_waits
-- Find out whether waiters stand in any line of these limits.
UPDATE cloaca_limit_line SET waits = CASE WHEN EXISTS (
    SELECT 1 FROM cloaca_limit_line AS line
    WHERE line.name = cloaca_limit_line.name AND line.first_at IS NOT NULL
) THEN 1 ELSE 0 END
WHERE id IN :ids AND key = '';


-- name: put_waiter
INSERT INTO cloaca_limit_waiter :rows(
    run_id, task_id, item:int, line, runner_id, rank:int, since:int, units:int, needs
)
ON CONFLICT (run_id, task_id, item) DO UPDATE SET
    line = excluded.line, runner_id = excluded.runner_id, rank = excluded.rank, since = excluded.since,
    units = excluded.units;


-- name: insert_grant
INSERT INTO cloaca_limit_grant :rows(
    id, name, number:int, run_id, task_id, item:int, runner_id, needs, given_at:int
);


-- name: insert_foreign_grant
-- The same for bodies of other runners, which are told.
INSERT INTO cloaca_limit_grant :rows(
    id, name, number:int, run_id, task_id, item:int, runner_id, needs, given_at:int
);


-- name: list_grants
-- The grants of a runner that are not older than this.
SELECT name, number, run_id, task_id, item, runner_id, needs, given_at FROM cloaca_limit_grant
WHERE runner_id = :runner_id AND given_at >= :since;


-- name: record_limit
-- Record the definition of a limit; of a known one the newest counts.
INSERT INTO cloaca_limit (name, content, family, recorded_at)
VALUES (:name, :content, :name, :now)
ON CONFLICT (name) DO UPDATE SET content = excluded.content, recorded_at = excluded.recorded_at
WHERE cloaca_limit.content <> excluded.content;


-- name: join_families
-- Limits are taken together: the families of all of them become one, under the first name.
UPDATE cloaca_limit SET family = (
    SELECT min(own.family) FROM cloaca_limit AS own WHERE own.name IN :names
)
WHERE family IN (SELECT own.family FROM cloaca_limit AS own WHERE own.name IN :names)
    AND family <> (SELECT min(own.family) FROM cloaca_limit AS own WHERE own.name IN :names);


-- name: change_limit
-- Put settings over those of the definition.
UPDATE cloaca_limit SET changes = :changes, changed_at = :now, changed_by = :changed_by
WHERE name = :name;


-- name: open_all_lines
-- Other settings hold: which keys have places is found out anew.
UPDATE cloaca_limit_line SET opens_at = 0
WHERE name = :name AND opens_at > 0 AND key <> '';


-- name: list_limits
SELECT name, content, changes, recorded_at, changed_at, changed_by FROM cloaca_limit ORDER BY name;
