-- Places of limits. Who gets them is decided in Python (giving.py), between statements of a transaction that
-- has locked the limits. No transaction locks a run after a limit.
--
-- The id of a line is its name and key as a JSON list, that of a grant its name and number.


-- name: lock_runner
-- Transactions that free the places of the runner wait until this one ends (see lock_gone). There is no row
-- if the runner is fenced already.
SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0
FOR KEY SHARE;


-- name: lock_gone
-- Wait for transactions that have seen a runner before it was fenced or removed.
SELECT id FROM cloaca_runner WHERE id = :runner_id
FOR UPDATE;


-- name: give_back
-- Remove grants of a runner, unless it is fenced. Answers the needs of the grants that it had.
DELETE FROM cloaca_limit_grant WHERE id IN :ids AND runner_id = :runner_id
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
RETURNING needs;


-- name: give_back_all
-- Remove all grants of bodies of a runner that is fenced or has ended. The place of a run stays with the run.
DELETE FROM cloaca_limit_grant WHERE runner_id = :runner_id AND task_id <> ''
RETURNING needs;


-- name: stay_in_line
-- Units of runs that have been given back wait without a runner. The limits are locked: who gives places
-- next sees it.
UPDATE cloaca_limit_waiter AS waiter SET runner_id = NULL
FROM :rows AS kept
WHERE waiter.run_id IN [:kept.run_id] AND waiter.task_id = :kept.task_id AND waiter.item = :kept.item
    AND waiter.runner_id = :kept.runner_id
    AND (SELECT run.owner FROM cloaca_run AS run WHERE run.id = waiter.run_id LIMIT 1) IS NULL;


-- name: keep_grants
-- The same for units that have got places which the runner had not heard of.
UPDATE cloaca_limit_grant AS place SET runner_id = NULL
FROM :rows AS kept
WHERE place.run_id IN [:kept.run_id] AND place.task_id = :kept.task_id AND place.item = :kept.item
    AND place.runner_id = :kept.runner_id
    AND (SELECT run.owner FROM cloaca_run AS run WHERE run.id = place.run_id LIMIT 1) IS NULL;


-- name: find_unclaimed
-- Whether such a unit has got places: its run is to be made claimable.
SELECT id FROM cloaca_limit_grant
WHERE run_id IN :ids AND (task_id = '' OR runner_id IS NULL) AND runner_id IS NULL
LIMIT 1;


-- name: adopt_grants
-- A runner that has claimed these runs takes the places that they have. Those of bodies of an earlier owner
-- are not theirs.
UPDATE cloaca_limit_grant SET runner_id = :runner_id
WHERE run_id IN :ids AND (task_id = '' OR runner_id IS NULL)
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
    AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.id = cloaca_limit_grant.run_id AND run.owner = :runner_id AND run.ended_at IS NULL
    )
RETURNING name, number, run_id, task_id, item, runner_id, needs, given_at;


-- name: held_above
-- The places of the runs above these runs, as far as each is paused and cancelled with the run above it.
WITH RECURSIVE lineage (run_id, above_id) AS (
    SELECT run.id, run.parent_id FROM cloaca_run AS run
    WHERE run.id IN :ids AND run.parent_id IS NOT NULL AND run.detached = 0
    UNION ALL
    SELECT lineage.run_id, above.parent_id
    FROM lineage CROSS JOIN cloaca_run AS above
    WHERE above.id = lineage.above_id AND above.parent_id IS NOT NULL AND above.detached = 0
)
SELECT lineage.run_id, place.needs
FROM lineage CROSS JOIN cloaca_limit_grant AS place
WHERE place.run_id = lineage.above_id AND place.task_id = ''
    AND (place.task_id = '' OR place.runner_id IS NULL);


-- name: list_waiting_of
-- What waits in line of these runs, without a runner.
SELECT run_id, task_id, item, since FROM cloaca_limit_waiter
WHERE run_id IN :ids AND runner_id IS NULL;


-- name: list_unclaimed
-- The grants that no runner has taken, with whether the run is still to be made claimable, and the places of
-- runs that have ended.
SELECT
    place.id, place.run_id, place.needs, place.given_at,
    CASE WHEN run.ended_at IS NULL AND run.id IS NOT NULL THEN 0 ELSE 1 END AS is_over,
    CASE WHEN run.owner IS NULL AND run.due_at IS NOT NULL THEN 1 ELSE 0 END AS is_asleep
FROM cloaca_limit_grant AS place
LEFT JOIN cloaca_run AS run ON run.id = place.run_id
WHERE (place.task_id = '' OR place.runner_id IS NULL)
    AND (place.runner_id IS NULL OR run.id IS NULL OR run.ended_at IS NOT NULL)
ORDER BY place.given_at, place.id
LIMIT :limit;


-- name: wake_granted
-- Let runs be claimed that have no owner and have got places.
UPDATE cloaca_run
SET due_at = NULL, claimable_at = :now, came_due = 0,
    status = CASE
        WHEN paused_at IS NOT NULL THEN 'Paused' WHEN started_at IS NULL THEN 'Pending' ELSE 'Running'
    END
WHERE id IN :ids AND owner IS NULL AND +ended_at IS NULL AND due_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM cloaca_limit_grant AS place
    WHERE place.run_id = cloaca_run.id AND (place.task_id = '' OR place.runner_id IS NULL)
        AND place.runner_id IS NULL
);


-- name: free_unclaimed
-- Remove grants that no runner has taken, and the places of runs that have ended. Their runs are locked.
DELETE FROM cloaca_limit_grant
WHERE id IN :ids AND (
    runner_id IS NULL
    OR NOT EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.id = cloaca_limit_grant.run_id AND run.ended_at IS NULL
    )
)
RETURNING needs;


-- name: leave_ended
-- What waits of runs that have ended without an owner leaves its line. No limit is locked.
DELETE FROM cloaca_limit_waiter
WHERE run_id IN :ids AND (
    SELECT run.ended_at FROM cloaca_run AS run WHERE run.id = cloaca_limit_waiter.run_id LIMIT 1
) IS NOT NULL;


-- name: list_waiting_needs
-- The needs of the waiters of a runner.
SELECT DISTINCT needs FROM cloaca_limit_waiter WHERE runner_id = :runner_id;


-- name: leave_waiters
-- No runner has the runs of these waiters any more: who takes one over asks again, with the arrival of its run.
DELETE FROM cloaca_limit_waiter WHERE runner_id = :runner_id;


-- name: remove_waiters
-- Waiters that no longer want places.
DELETE FROM cloaca_limit_waiter AS waiter USING :rows AS old
WHERE waiter.run_id IN [:old.run_id] AND waiter.task_id = :old.task_id AND waiter.item = :old.item;


-- name: leave_lines
-- Waiters of a runner that no longer want places. If another runner has asked for the same since, that waits.
DELETE FROM cloaca_limit_waiter AS waiter USING :rows AS old
WHERE waiter.run_id IN [:old.run_id] AND waiter.task_id = :old.task_id AND waiter.item = :old.item
    AND waiter.runner_id = :old.runner_id;


-- name: lock_limits
-- Lock limits, with all that are taken together with one of them. They are named by their names, which stay: a
-- limit whose family changes while this waits for its lock would be left out, and count as one without bounds.
SELECT name, content, changes FROM cloaca_limit
WHERE name IN (
    SELECT member.name FROM cloaca_limit AS member
    WHERE member.family IN (SELECT own.family FROM cloaca_limit AS own WHERE own.name IN :names)
)
ORDER BY name
FOR UPDATE;


-- name: open_lines
-- Keys whose rate allows one more by now have places again. Earlier ones were opened at :after.
UPDATE cloaca_limit_line SET opens_at = 0, edition = edition + 1
WHERE name IN :names AND opens_at > :after AND opens_at <= :now AND opens_at > 0 AND first_at IS NOT NULL
    AND key <> ''
RETURNING name, first_rank, first_at, oldest_at;


-- name: next_opening
-- The first instant at which a key for which a waiter stands in line may have a place. All that open by now
-- are open. The number is that of keys which have one when a place is given back.
SELECT min((
    SELECT line.opens_at FROM cloaca_limit_line AS line
    WHERE line.name = wanted.value AND line.opens_at > :now AND line.opens_at < 4611686018427387904
        AND line.opens_at > 0 AND line.first_at IS NOT NULL AND line.key <> ''
    ORDER BY line.opens_at
    LIMIT 1
)) FROM :names AS wanted;


-- name: put_waiter
INSERT INTO cloaca_limit_waiter :rows(
    run_id, task_id, item, line:text, runner_id, rank:int, since:int, units:int, needs:text
)
ON CONFLICT (run_id, task_id, item) DO UPDATE SET
    line = excluded.line, runner_id = excluded.runner_id, rank = excluded.rank, since = excluded.since,
    units = excluded.units, needs = excluded.needs;


-- name: move_waiter
-- Waiters that stand in another line, or wait for fewer units. A waiter that has left meanwhile is not
-- inserted again: its run was cancelled, which locks no limit.
UPDATE cloaca_limit_waiter
SET line = :new.line, since = :new.since, units = :new.units
FROM :rows(line:text, since:int, units:int) AS new
WHERE cloaca_limit_waiter.run_id IN [:new.run_id] AND cloaca_limit_waiter.task_id = :new.task_id
    AND cloaca_limit_waiter.item = :new.item;


-- name: insert_grant
INSERT INTO cloaca_limit_grant :rows(
    id, name, number, run_id, task_id, item, runner_id, needs:text, given_at:int
);


-- name: insert_foreign_grant
-- The same for bodies of other runners, which are told.
INSERT INTO cloaca_limit_grant :rows(
    id, name, number, run_id, task_id, item, runner_id, needs:text, given_at:int
);


-- name: list_grants
-- The grants of a runner of a limit behind this one.
SELECT name, number, run_id, task_id, item, runner_id, needs, given_at FROM cloaca_limit_grant
WHERE runner_id = :runner_id AND name = :name AND number > :after;


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


-- name: note_limit_act
-- Note what has changed the settings of a limit, whose runners are told.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
VALUES (:act_id, '', :act_workflow, 0, :act_kind, :asked_by, CAST(:act_reason AS TEXT), 1, :acted_at)
ON CONFLICT DO NOTHING;


-- name: change_limit
-- Put settings over those of the definition; without :changed_by there are none.
UPDATE cloaca_limit SET changes = :changes, changed_at = :changed_at, changed_by = :changed_by
WHERE name = :name;


-- name: open_all_lines
-- Other settings hold: which keys have places is found out anew, of a key without waiters when one comes.
UPDATE cloaca_limit_line SET opens_at = 0, edition = edition + 1
WHERE name = :name AND opens_at > 0 AND first_at IS NOT NULL AND key <> ''
RETURNING name, first_rank, first_at, oldest_at;


-- name: list_limits
SELECT name, content, changes, recorded_at, changed_at, changed_by FROM cloaca_limit ORDER BY name;


-- name: limit_waits
SELECT run_id, task_id, item, line, since, units FROM cloaca_limit_waiter WHERE run_id IN :ids
ORDER BY run_id, task_id, item
LIMIT :limit;


-- name: list_holders
-- The places that are taken, as far as :limit: each is of a body under way.
SELECT name, number, run_id, task_id, item, runner_id, needs, given_at FROM cloaca_limit_grant
ORDER BY given_at, id
LIMIT :limit;


-- name: awaited_limits
-- Those of these limits for which something waits, each named by how the ids of its lines begin.
SELECT wanted.value FROM :begins AS wanted WHERE EXISTS (
    SELECT 1 FROM cloaca_limit_waiter AS waiter
    WHERE waiter.line >= wanted.value || '"' AND waiter.line < wanted.value || '#'
);


-- name: limit_waiting
-- How many wait for places of a limit, up to :most waiters, and since when the first of the lines that wait
-- longest. The ids of its lines begin with the same text, from :first_line to :last_line.
SELECT
    (
        SELECT CAST(coalesce(sum(counted.units), 0) AS BIGINT)
        FROM (
            SELECT units FROM cloaca_limit_waiter WHERE line >= :first_line AND line < :last_line
            LIMIT :most
        ) AS counted
    ),
    (
        SELECT min((
            SELECT min(waiter.since) FROM cloaca_limit_waiter AS waiter WHERE waiter.line = own.id
        ))
        FROM (
            SELECT id FROM cloaca_limit_line WHERE id = :whole AND first_at IS NOT NULL
            UNION ALL
            SELECT id FROM (
                SELECT id FROM cloaca_limit_line
                WHERE name = :name AND first_at IS NOT NULL AND opens_at = 0 AND key <> ''
                ORDER BY oldest_at
                LIMIT 100
            ) AS open_lines
            UNION ALL
            SELECT id FROM (
                SELECT id FROM cloaca_limit_line
                WHERE name = :name AND first_at IS NOT NULL AND opens_at > 0 AND key <> ''
                ORDER BY oldest_at
                LIMIT 100
            ) AS full_lines
        ) AS own
    );


-- name: awaited_lines
-- The keys of a limit for which waiters stand in line, those first that have waited longest.
SELECT id FROM (
    SELECT id, oldest_at FROM (
        SELECT id, oldest_at FROM cloaca_limit_line
        WHERE name = :name AND first_at IS NOT NULL AND opens_at = 0 AND key <> ''
        ORDER BY oldest_at
        LIMIT :limit
    ) AS open_lines
    UNION ALL
    SELECT id, oldest_at FROM (
        SELECT id, oldest_at FROM cloaca_limit_line
        WHERE name = :name AND first_at IS NOT NULL AND opens_at > 0 AND key <> ''
        ORDER BY oldest_at
        LIMIT :limit
    ) AS full_lines
) AS own
ORDER BY oldest_at, id
LIMIT :limit;


-- name: waiting_in_lines
-- The same as limit_waiting, for each of these lines.
SELECT
    own.id,
    (
        SELECT CAST(coalesce(sum(counted.units), 0) AS BIGINT)
        FROM (SELECT units FROM cloaca_limit_waiter WHERE line = own.id LIMIT :most) AS counted
    ),
    (SELECT min(waiter.since) FROM cloaca_limit_waiter AS waiter WHERE waiter.line = own.id)
FROM cloaca_limit_line AS own WHERE own.id IN :ids;


-- name: workflows_of_runs
-- The workflow of each of these runs.
SELECT id, workflow FROM cloaca_run WHERE id IN :ids;


-- name: limit_holders
-- The places of a limit, or of a key, that are taken, as far as :limit. :need is how the needs of a grant
-- write it.
SELECT name, number, run_id, task_id, item, runner_id, needs, given_at FROM cloaca_limit_grant
WHERE replace(needs, :need, '') <> needs
ORDER BY given_at, id
LIMIT :limit;
