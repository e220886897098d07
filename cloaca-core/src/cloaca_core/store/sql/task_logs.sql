-- Task logs: lines that bodies of tasks have logged, and how far they have come.


-- name: record_lines
-- Write a chunk of lines, if the runner still owns its run. One that is there stays: the batch was sent
-- again.
INSERT INTO cloaca_task_log (run_id, position, task_id, attempt, number, size, lines)
SELECT :run_id, :position, :task_id, :attempt, :number, :size, :lines
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run
    JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
    WHERE run.id = :run_id AND run.owner = :runner_id AND run.epoch = :fence
)
ON CONFLICT (run_id, position) DO NOTHING;


-- name: drop_lines
-- Delete a chunk of an attempt that has logged more than is kept, if the runner still owns its run.
DELETE FROM cloaca_task_log
WHERE run_id = :run_id AND position = :position AND EXISTS (
    SELECT 1 FROM cloaca_run AS run
    JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
    WHERE run.id = :run_id AND run.owner = :runner_id AND run.epoch = :fence
);


-- name: record_progress
-- Write how far an attempt has come, if the runner still owns its run.
INSERT INTO cloaca_progress (run_id, task_id, attempt, done, total, detail, told_at)
SELECT :run_id, :task_id, :attempt, :done, :total, :detail, :told_at
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run
    JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
    WHERE run.id = :run_id AND run.owner = :runner_id AND run.epoch = :fence
)
ON CONFLICT (run_id, task_id, item, attempt) DO UPDATE SET
    done = excluded.done, total = excluded.total, detail = excluded.detail,
    told_at = excluded.told_at;


-- name: list_lines
-- Read chunks of a run that have lines after a position.
SELECT run_id, position, task_id, attempt, number, size, lines
FROM cloaca_task_log
WHERE run_id = :run_id AND position > :after
    AND (CAST(:task_id AS TEXT) IS NULL OR task_id = :task_id)
    AND (CAST(:attempt AS BIGINT) IS NULL OR attempt = :attempt)
ORDER BY position
LIMIT :limit;


-- name: list_progress
-- Read how far the attempts of these runs have come.
SELECT run_id, task_id, attempt, done, total, detail, told_at
FROM cloaca_progress
WHERE run_id IN :ids
ORDER BY run_id, task_id, item, attempt;
