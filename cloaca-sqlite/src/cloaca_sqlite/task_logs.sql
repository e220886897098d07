-- Statements about task logs that SQLite words in its own way, and why.
--
-- * record_lines: VALUES may be repeated (see driver.py), and OR FAIL, as for record_attempt in runs.sql.


-- name: record_lines
-- Write chunks of lines whose runs the runner still owns. One that is there stays: the batch was sent again.
WITH new (run_id, position, task_id, attempt, number, size, lines, item, runner_id, fence) AS (
    VALUES (
        :run_id, :position, :task_id, :attempt, :number, :size, :lines, :item, :runner_id, :fence
    )
)
INSERT OR FAIL INTO cloaca_task_log (run_id, position, task_id, attempt, number, size, lines, item)
SELECT new.run_id, new.position, new.task_id, new.attempt, new.number, new.size, new.lines, new.item
FROM new
JOIN cloaca_run AS run ON run.id = new.run_id AND run.owner = new.runner_id AND run.epoch = new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
WHERE TRUE
ON CONFLICT (run_id, position) DO NOTHING;
