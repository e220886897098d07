-- Upkeep: which trees of runs go, and their deletion in small transactions. Read the head of
-- store/sql/runs.sql first.
--
-- A tree goes in two steps. A tombstone hides all of it at once; then its rows are deleted, those of its
-- root last. The one row of cloaca_upkeep is updated first in each of these transactions, so that there
-- is one at a time: what the others find is guarded by its holder.


-- name: get_upkeep
-- Read whether this database keeps everything, and when pruning is due next.
SELECT keeps_all, due_at FROM cloaca_upkeep WHERE id = 1;


-- name: take_upkeep
-- Make pruning this holder's until :until, if it is due by :due (or was to be much later: then the clock
-- was set back), and no other holder has it.
UPDATE cloaca_upkeep SET holder = :holder, held_until = :until
WHERE id = 1 AND (due_at <= :due OR due_at > :latest)
    AND (holder IS NULL OR holder = :holder OR held_until <= :now OR held_until > :latest)
RETURNING id;


-- name: hold_upkeep
-- Go on pruning until :until, if it is still this holder's.
UPDATE cloaca_upkeep SET held_until = :until WHERE id = 1 AND holder = :holder
RETURNING id;


-- name: leave_upkeep
-- Prune no more until :due_at.
UPDATE cloaca_upkeep SET holder = NULL, held_until = 0, due_at = :due_at
WHERE id = 1 AND holder = :holder;


-- name: list_kept_workflows
-- List the workflows that have runs or schedules, and for how long their runs are kept: NULL as the
-- runner says. The recursive queries go from each name to the next one in an index.
WITH RECURSIVE run_of (workflow) AS (
    SELECT min(run.workflow) FROM cloaca_run AS run
    UNION ALL
    SELECT (SELECT min(run.workflow) FROM cloaca_run AS run WHERE run.workflow > run_of.workflow)
    FROM run_of WHERE run_of.workflow IS NOT NULL
),
ticking (workflow) AS (
    SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
    UNION ALL
    SELECT (
        SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
        WHERE schedule.workflow > ticking.workflow
    )
    FROM ticking WHERE ticking.workflow IS NOT NULL
),
used (workflow) AS (SELECT workflow FROM run_of UNION SELECT workflow FROM ticking)
SELECT used.workflow, known.retention
FROM used LEFT JOIN cloaca_workflow AS known ON known.workflow = used.workflow
WHERE used.workflow IS NOT NULL
ORDER BY used.workflow;


-- name: list_expired
-- List the roots of trees of this workflow all of whose runs ended before :before, in the order of their
-- ids, after :after. No run from :newest on can be among them. The LIMIT keeps a planner from turning
-- the subquery into a join, here and below.
SELECT root.id FROM cloaca_run AS root
WHERE root.workflow = :workflow AND root.id > :after AND root.id < :newest
    AND root.root_id IS NULL AND root.ended_at IS NOT NULL AND root.ended_at < :before
    AND (
        SELECT part.root_id FROM cloaca_run AS part
        WHERE part.root_id = root.id AND part.root_id IS NOT NULL
            AND (part.ended_at IS NULL OR part.ended_at >= :before)
        LIMIT 1
    ) IS NULL
    AND NOT EXISTS (SELECT 1 FROM cloaca_tombstone AS gone WHERE gone.root_id = root.id)
ORDER BY root.id LIMIT :limit;


-- name: lock_expired
-- Lock these runs, as far as they are there: what begins them again, or adds a run to their trees,
-- waits, and then finds the tombstone.
SELECT id FROM cloaca_run
WHERE id IN :ids
ORDER BY id
FOR UPDATE;


-- name: hide_trees
-- Hide those of these trees all of whose runs ended before :before.
INSERT INTO cloaca_tombstone (root_id, hidden_at)
SELECT root.id, :now FROM cloaca_run AS root
WHERE root.id IN :ids AND root.root_id IS NULL
    AND root.ended_at IS NOT NULL AND root.ended_at < :before
    AND (
        SELECT part.root_id FROM cloaca_run AS part
        WHERE part.root_id = root.id AND part.root_id IS NOT NULL
            AND (part.ended_at IS NULL OR part.ended_at >= :before)
        LIMIT 1
    ) IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
ON CONFLICT DO NOTHING
RETURNING root_id;


-- name: weigh_trees
-- Count the runs of these trees, and all their rows.
WITH tree (id) AS (
    SELECT run.id FROM cloaca_run AS run WHERE run.id IN :ids
    UNION ALL
    SELECT part.id FROM cloaca_run AS part WHERE part.root_id IN :ids AND part.root_id IS NOT NULL
)
SELECT count(*) AS runs, coalesce(sum(
    1 + (SELECT count(*) FROM cloaca_attempt AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_run_tag AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_act AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_round AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_restart AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_map AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_fork AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_replacement AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_unserved AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_memo AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_task_log AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_progress AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_wait AS item WHERE item.run_id = tree.id)
    + (SELECT count(*) FROM cloaca_message AS item WHERE item.run_id = tree.id)
), 0) AS all_rows
FROM tree;


-- name: list_doomed
-- List runs of hidden trees, a root only when it is all that is left of its tree, each with the number
-- of its rows, of which at most :most in each table are counted.
WITH doomed (id) AS (
    SELECT id FROM (
        SELECT part.id FROM cloaca_tombstone AS gone
        JOIN cloaca_run AS part ON part.root_id = gone.root_id AND part.root_id IS NOT NULL
        LIMIT :limit
    ) AS parts
    UNION ALL
    SELECT id FROM (
        SELECT gone.root_id AS id FROM cloaca_tombstone AS gone
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run AS part
            WHERE part.root_id = gone.root_id AND part.root_id IS NOT NULL
        )
        LIMIT :limit
    ) AS roots
)
SELECT doomed.id, 1
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_attempt AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_run_tag AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_act AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_round AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_restart AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_map AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_fork AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_replacement AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_unserved AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_memo AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_task_log AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_progress AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_wait AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
    + (SELECT count(*) FROM (
        SELECT 1 FROM cloaca_message AS item WHERE item.run_id = doomed.id LIMIT :most
    ) AS counted)
FROM doomed LIMIT :limit;


-- name: lock_ticked_schedules
-- Lock the schedules whose ticks have made these runs: a transaction that back-fills a tick waits, and
-- then finds it forgotten. Executed before runs are locked.
SELECT schedule.id FROM cloaca_schedule AS schedule
WHERE schedule.id IN [
    SELECT tick.schedule_id FROM cloaca_run AS run
    JOIN cloaca_tick AS tick ON tick.created_at = run.created_at AND tick.run_id = run.id
    WHERE run.id IN :ids
]
ORDER BY schedule.id
FOR NO KEY UPDATE OF schedule;


-- name: raise_marks
-- Let nothing fire up to the newest tick of each schedule that is forgotten with these runs. A tick that
-- its schedule has not come to is not forgotten: others before it are still to come.
UPDATE cloaca_schedule
SET pruned_until = (
    SELECT max(tick.tick) FROM cloaca_run AS run
    JOIN cloaca_tick AS tick ON tick.created_at = run.created_at AND tick.run_id = run.id
    WHERE run.id IN :ids AND tick.schedule_id = cloaca_schedule.id
        AND tick.tick <= cloaca_schedule.decided_until
)
WHERE EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_tick AS tick ON tick.created_at = run.created_at AND tick.run_id = run.id
        WHERE run.id IN :ids AND tick.schedule_id = cloaca_schedule.id
            AND tick.tick <= cloaca_schedule.decided_until
            AND tick.tick > coalesce(cloaca_schedule.pruned_until, -1)
    )
    AND id IN (
        SELECT tick.schedule_id FROM cloaca_run AS run
        JOIN cloaca_tick AS tick ON tick.created_at = run.created_at AND tick.run_id = run.id
        WHERE run.id IN :ids
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder);


-- name: erase_ticks_of
-- Forget the ticks that have made these runs.
DELETE FROM cloaca_tick
WHERE run_id IN :ids
    AND created_at IN (SELECT run.created_at FROM cloaca_run AS run WHERE run.id IN :ids)
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_schedule AS schedule
        WHERE schedule.id = cloaca_tick.schedule_id
            AND cloaca_tick.tick > coalesce(schedule.pruned_until, -1)
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_events_of
-- Delete the events that have made these runs, but for those with a key: it says that they came.
DELETE FROM cloaca_event
WHERE event_key IS NULL AND run_id IN :ids
    AND id IN (
        SELECT event.id FROM cloaca_run AS run
        JOIN cloaca_event AS event ON event.trigger_id = run.schedule_id
            AND event.created_at = run.created_at AND event.run_id = run.id
        WHERE run.id IN :ids
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_attempts
-- Delete the attempts of these runs.
DELETE FROM cloaca_attempt
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_tags
-- Delete the tags of these runs.
DELETE FROM cloaca_run_tag
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_acts
-- Delete what was asked of these runs.
DELETE FROM cloaca_act
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_rounds
-- Delete the earlier rounds of these runs.
DELETE FROM cloaca_round
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_restarts
-- Delete the notes about tasks of these runs that ran again.
DELETE FROM cloaca_restart
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_maps
-- Delete the maps of these runs.
DELETE FROM cloaca_map
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_forks
-- Delete the notes of which runs these were made. The results that they have copied are their own.
DELETE FROM cloaca_fork
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_replacements
-- Delete the keys of these runs that were replaced when they were resumed.
DELETE FROM cloaca_replacement
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_unserved
-- Delete the notes of runners that have left these runs.
DELETE FROM cloaca_unserved
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_memos
-- Delete the values that bodies of these runs kept.
DELETE FROM cloaca_memo
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_lines
-- Delete what bodies of these runs have logged.
DELETE FROM cloaca_task_log
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_progress
-- Delete how far bodies of these runs had come.
DELETE FROM cloaca_progress
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_waits
-- Delete what these runs waited for.
DELETE FROM cloaca_wait
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_messages
-- Delete the messages to these runs.
DELETE FROM cloaca_message
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_runs
-- Delete these runs, the last of their rows.
DELETE FROM cloaca_run
WHERE id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_tombstones
-- Delete the tombstones of those of these runs that were roots.
DELETE FROM cloaca_tombstone
WHERE root_id IN :ids AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS root WHERE root.id = cloaca_tombstone.root_id
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder);


-- name: trim_attempts
-- Delete some of the attempts of a hidden run that has too many rows for one transaction.
DELETE FROM cloaca_attempt
WHERE run_id = :run_id
    AND (task_id, item, attempt) IN (
        SELECT chosen.task_id, chosen.item, chosen.attempt FROM cloaca_attempt AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_acts
-- Delete some of what was asked of a hidden run.
DELETE FROM cloaca_act
WHERE run_id = :run_id
    AND id IN (SELECT chosen.id FROM cloaca_act AS chosen WHERE chosen.run_id = :run_id LIMIT :limit)
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_restarts
-- Delete some of the notes about tasks of a hidden run that ran again.
DELETE FROM cloaca_restart
WHERE run_id = :run_id
    AND (task_id, item, first_attempt) IN (
        SELECT chosen.task_id, chosen.item, chosen.first_attempt FROM cloaca_restart AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_replacements
-- Delete some of the keys of a hidden run that were replaced.
DELETE FROM cloaca_replacement
WHERE run_id = :run_id
    AND number IN (
        SELECT chosen.number FROM cloaca_replacement AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_memos
-- Delete some of the values that bodies of a hidden run kept.
DELETE FROM cloaca_memo
WHERE run_id = :run_id
    AND (task_id, item, kind, name, number) IN (
        SELECT chosen.task_id, chosen.item, chosen.kind, chosen.name, chosen.number
        FROM cloaca_memo AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_lines
-- Delete some of what bodies of a hidden run have logged.
DELETE FROM cloaca_task_log
WHERE run_id = :run_id
    AND position IN (
        SELECT chosen.position FROM cloaca_task_log AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_progress
-- Delete some of how far bodies of a hidden run had come.
DELETE FROM cloaca_progress
WHERE run_id = :run_id
    AND (task_id, item, attempt) IN (
        SELECT chosen.task_id, chosen.item, chosen.attempt FROM cloaca_progress AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_waits
-- Delete some of what a hidden run waited for.
DELETE FROM cloaca_wait
WHERE run_id = :run_id
    AND (task_id, item, kind, name, number) IN (
        SELECT chosen.task_id, chosen.item, chosen.kind, chosen.name, chosen.number
        FROM cloaca_wait AS chosen
        WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: trim_messages
-- Delete some of the messages to a hidden run.
DELETE FROM cloaca_message
WHERE run_id = :run_id
    AND id IN (
        SELECT chosen.id FROM cloaca_message AS chosen WHERE chosen.run_id = :run_id LIMIT :limit
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: list_ticking
-- List the schedules of a workflow.
SELECT id FROM cloaca_schedule WHERE workflow = :workflow ORDER BY id;


-- name: list_deleted_schedules
-- List schedules that are gone and have ticks left, by going from each to the next in an index.
WITH RECURSIVE known (id) AS (
    SELECT min(tick.schedule_id) FROM cloaca_tick AS tick
    UNION ALL
    SELECT (SELECT min(tick.schedule_id) FROM cloaca_tick AS tick WHERE tick.schedule_id > known.id)
    FROM known WHERE known.id IS NOT NULL
)
SELECT known.id FROM known
WHERE known.id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM cloaca_schedule AS schedule WHERE schedule.id = known.id)
ORDER BY known.id;


-- name: lock_mark
-- Lock this schedule, for the same reason.
SELECT id FROM cloaca_schedule WHERE id = :schedule_id
FOR NO KEY UPDATE;


-- name: raise_mark
-- Let nothing fire up to the newest of the oldest :limit ticks of a schedule that have no run (any
-- more) and were decided before :before. The + keeps a planner from reading ticks by created_at.
UPDATE cloaca_schedule
SET pruned_until = (
    SELECT max(oldest.tick) FROM (
        SELECT tick.tick FROM cloaca_tick AS tick
        WHERE tick.schedule_id = :schedule_id AND tick.tick < :before AND +tick.created_at < :before
            AND tick.tick <= cloaca_schedule.decided_until
            AND (SELECT run.id FROM cloaca_run AS run WHERE run.id = tick.run_id LIMIT 1) IS NULL
        ORDER BY tick.tick LIMIT :limit
    ) AS oldest
)
WHERE id = :schedule_id
    AND coalesce(pruned_until, -1) < (
        SELECT max(oldest.tick) FROM (
            SELECT tick.tick FROM cloaca_tick AS tick
            WHERE tick.schedule_id = :schedule_id AND tick.tick < :before
                AND +tick.created_at < :before AND tick.tick <= cloaca_schedule.decided_until
                AND (SELECT run.id FROM cloaca_run AS run WHERE run.id = tick.run_id LIMIT 1) IS NULL
            ORDER BY tick.tick LIMIT :limit
        ) AS oldest
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder);


-- name: note_gone
-- Note of names of runners that those are gone: no attempt of theirs is recorded any more.
UPDATE cloaca_runner_name SET gone_at = :now
WHERE gone_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_runner AS runner
        WHERE runner.id = cloaca_runner_name.id AND runner.number = cloaca_runner_name.number
    )
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder);


-- name: erase_names
-- Delete the names of runners that were gone before the oldest run was made. The clocks of programs may be
-- :apart apart.
DELETE FROM cloaca_runner_name
WHERE gone_at < coalesce(
        (
            SELECT run.created_at FROM cloaca_run AS run
            WHERE run.id = (SELECT min(first.id) FROM cloaca_run AS first)
        ),
        :now
    ) - :apart
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_lost_runners
-- Delete runners that were lost before :lost_before.
DELETE FROM cloaca_lost_runner
WHERE lost_at < :lost_before
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder);


-- name: erase_ticks
-- Forget the oldest :limit ticks of a schedule, deleted or not, that have no run (any more), were
-- decided before :before, and cannot fire again. The newest of them bounds what any plan reads.
WITH done AS (
    SELECT tick.tick FROM cloaca_tick AS tick
    WHERE tick.schedule_id = :schedule_id AND tick.tick < :before AND +tick.created_at < :before
        AND (SELECT run.id FROM cloaca_run AS run WHERE run.id = tick.run_id LIMIT 1) IS NULL
        AND (
            SELECT schedule.id FROM cloaca_schedule AS schedule
            WHERE schedule.id = tick.schedule_id
                AND tick.tick > coalesce(schedule.pruned_until, -1)
            LIMIT 1
        ) IS NULL
    ORDER BY tick.tick LIMIT :limit
)
DELETE FROM cloaca_tick AS old
WHERE old.schedule_id = :schedule_id
    AND old.tick IN [SELECT done.tick FROM done]
    AND old.tick <= (SELECT max(done.tick) FROM done)
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: erase_lost
-- Delete counts of ticks of a schedule that were dropped before :before. The newest of them bounds
-- what any plan reads.
WITH done AS (
    SELECT lost.decided_until FROM cloaca_lost AS lost
    WHERE lost.schedule_id = :schedule_id AND lost.created_at < :before
    ORDER BY lost.decided_until LIMIT :limit
)
DELETE FROM cloaca_lost AS old
WHERE old.schedule_id = :schedule_id
    AND old.decided_until IN [SELECT done.decided_until FROM done]
    AND old.decided_until <= (SELECT max(done.decided_until) FROM done)
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;


-- name: list_idle_limit_keys
-- Lines of limits by key that no place and no waiter needs, and whose rate is as if it was never used.
SELECT id FROM cloaca_limit_line
WHERE id > :after AND key <> '' AND held = 0 AND first_at IS NULL AND tat <= :before
ORDER BY id
LIMIT :limit;


-- name: erase_limit_keys
-- Delete these lines, unless they were used meanwhile. A transaction that has read one before writes all of it.
DELETE FROM cloaca_limit_line
WHERE id IN :ids AND key <> '' AND held = 0 AND first_at IS NULL AND tat <= :before
    AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder)
RETURNING 1;
