-- Statements about next rounds and forks that PostgreSQL words in its own way, and why. The rules are at
-- the head of runs.sql.
--
-- * restart_tasks: rows.


-- name: restart_tasks
-- Let the attempts of tasks before :first_attempt be history. A task that did not start in the round
-- before has a row with that attempt already.
INSERT INTO cloaca_restart (run_id, task_id, first_attempt, round, with_children)
SELECT act.run_id, new.task_id, new.first_attempt, act.round + 1, new.with_children
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:id AS TEXT[]), CAST(:task_id AS TEXT[]),
    CAST(:first_attempt AS BIGINT[]), CAST(:with_children AS INTEGER[])
) AS new (run_id, id, task_id, first_attempt, with_children)
JOIN cloaca_act AS act
    ON act.run_id = ANY(ARRAY[new.run_id]) AND act.id = ANY(ARRAY[new.id]) AND act.changed = 2
ON CONFLICT (run_id, task_id, item, first_attempt) DO UPDATE SET
    round = excluded.round, with_children = excluded.with_children;
