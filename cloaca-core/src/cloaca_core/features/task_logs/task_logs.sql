-- Task logs: lines that bodies of tasks have logged, and how far they have come.


-- name: record_lines
-- Write chunks of lines whose runs the runner still owns. One that is there stays: the batch was sent
-- again.
INSERT INTO cloaca_task_log (run_id, position, task_id, attempt, number, size, lines, item)
SELECT
    :new.run_id, :new.position, :new.task_id, :new.attempt, :new.number, :new.size, :new.lines,
    :new.item
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND runner.id = run.owner AND runner.fenced = 0
ON CONFLICT (run_id, position) DO NOTHING;


-- name: drop_lines
-- Delete chunks of attempts that have logged more than is kept, whose runs the runner still owns.
DELETE FROM cloaca_task_log AS line
USING :rows AS old
WHERE line.run_id IN [:old.run_id] AND line.position IN [:old.position] AND EXISTS (
    SELECT 1 FROM cloaca_run AS run
    JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
    WHERE run.id IN [:old.run_id] AND run.owner = :old.runner_id AND run.epoch = :old.fence
);


-- name: record_progress
-- Write how far attempts have come whose runs the runner still owns, one row for each.
INSERT INTO cloaca_progress (run_id, task_id, item, attempt, done, total, detail, told_at)
SELECT
    :new.run_id, :new.task_id, :new.item, :new.attempt, :new.done, :new.total, :new.detail,
    :new.told_at
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND runner.id = run.owner AND runner.fenced = 0
ON CONFLICT (run_id, task_id, item, attempt) DO UPDATE SET
    done = excluded.done, total = excluded.total, detail = excluded.detail,
    told_at = excluded.told_at;


-- name: list_lines
-- Read chunks of a run that have lines after a position.
SELECT run_id, position, task_id, attempt, number, size, lines, item
FROM cloaca_task_log
WHERE run_id = :run_id AND position > :after
    AND (CAST(:task_id AS TEXT) IS NULL OR task_id = :task_id)
    AND (CAST(:attempt AS BIGINT) IS NULL OR attempt = :attempt)
    AND (CAST(:item AS BIGINT) IS NULL OR item = :item)
ORDER BY position
LIMIT :limit;


-- name: list_last_lines
-- Read the last chunks of a run that end before a position, newest first.
SELECT run_id, position, task_id, attempt, number, size, lines, item
FROM cloaca_task_log
WHERE run_id = :run_id AND position > :after AND position < :before
    AND (CAST(:task_id AS TEXT) IS NULL OR task_id = :task_id)
    AND (CAST(:attempt AS BIGINT) IS NULL OR attempt = :attempt)
    AND (CAST(:item AS BIGINT) IS NULL OR item = :item)
ORDER BY position DESC
LIMIT :limit;


-- name: list_progress
-- Read how far the attempts of the tasks of these runs have come.
SELECT run_id, task_id, attempt, done, total, detail, told_at, item
FROM cloaca_progress
WHERE run_id IN :ids AND item = -1
ORDER BY run_id, task_id, attempt;
