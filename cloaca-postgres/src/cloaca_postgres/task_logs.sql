-- Statements about task logs that PostgreSQL words in its own way. The rules are at the head of runs.sql.
--
-- * record_lines, drop_lines, record_progress: rows. Of several rows for one attempt record_progress writes
--   the last one.


-- name: record_lines
-- Write chunks of lines whose runs the runner still owns. One that is there stays: the batch was sent again.
INSERT INTO cloaca_task_log (run_id, position, task_id, attempt, number, size, lines)
SELECT new.run_id, new.position, new.task_id, new.attempt, new.number, new.size, new.lines
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:position AS BIGINT[]), CAST(:task_id AS TEXT[]),
    CAST(:attempt AS BIGINT[]), CAST(:number AS BIGINT[]), CAST(:size AS BIGINT[]),
    CAST(:lines AS TEXT[]), CAST(:runner_id AS TEXT[]), CAST(:fence AS BIGINT[])
) AS new (run_id, position, task_id, attempt, number, size, lines, runner_id, fence)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[new.run_id]) AND run.owner = new.runner_id AND run.epoch = new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
ON CONFLICT (run_id, position) DO NOTHING;


-- name: drop_lines
-- Delete chunks of attempts that have logged more than is kept, whose runs the runner still owns.
DELETE FROM cloaca_task_log AS line
USING unnest(
    CAST(:run_id AS TEXT[]), CAST(:position AS BIGINT[]), CAST(:runner_id AS TEXT[]),
    CAST(:fence AS BIGINT[])
) AS old (run_id, position, runner_id, fence),
cloaca_run AS run, cloaca_runner AS runner
WHERE line.run_id = old.run_id AND line.position = old.position
    AND run.id = ANY(ARRAY[old.run_id]) AND run.owner = old.runner_id AND run.epoch = old.fence
    AND runner.id = run.owner AND runner.fenced = 0;


-- name: record_progress
-- Write how far attempts have come whose runs the runner still owns.
INSERT INTO cloaca_progress (run_id, task_id, attempt, done, total, detail, told_at)
SELECT DISTINCT ON (new.run_id COLLATE "C", new.task_id COLLATE "C", new.attempt)
    new.run_id, new.task_id, new.attempt, new.done, new.total, new.detail, new.told_at
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:attempt AS BIGINT[]),
    CAST(:done AS DOUBLE PRECISION[]), CAST(:total AS DOUBLE PRECISION[]),
    CAST(:detail AS TEXT[]), CAST(:told_at AS BIGINT[]), CAST(:runner_id AS TEXT[]),
    CAST(:fence AS BIGINT[])
) WITH ORDINALITY AS new (
    run_id, task_id, attempt, done, total, detail, told_at, runner_id, fence, place
)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[new.run_id]) AND run.owner = new.runner_id AND run.epoch = new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
ORDER BY new.run_id COLLATE "C", new.task_id COLLATE "C", new.attempt, new.place DESC
ON CONFLICT (run_id, task_id, item, attempt) DO UPDATE SET
    done = excluded.done, total = excluded.total, detail = excluded.detail,
    told_at = excluded.told_at;
