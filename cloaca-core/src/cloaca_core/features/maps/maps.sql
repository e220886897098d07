-- Maps: tasks whose bodies run once for each item of their data.


-- name: record_map
-- Write maps that were opened whose runs the runner still owns, one row for each.
INSERT INTO cloaca_map (
    run_id, task_id, attempt, epoch, version, items, digest, decision, labels, again
)
SELECT
    :new.run_id, :new.task_id, :new.attempt, :new.epoch, :new.version, :new.items, :new.digest,
    :new.decision, :new.labels, :new.again
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND runner.id = run.owner AND runner.fenced = 0
ON CONFLICT (run_id, task_id) DO UPDATE SET
    attempt = excluded.attempt, epoch = excluded.epoch, version = excluded.version,
    items = excluded.items, digest = excluded.digest, decision = excluded.decision,
    labels = excluded.labels, again = excluded.again;


-- name: load_maps
-- Read the maps of these runs.
SELECT :columns(map) FROM cloaca_map WHERE run_id IN :ids ORDER BY run_id, task_id;


-- name: load_items
-- Read the attempts of items of a map from an index on, up to before another; no tracebacks.
SELECT :columns(AttemptRow, error_traceback = NULL)
FROM cloaca_attempt
WHERE run_id = :run_id AND task_id = :task_id AND item >= :first AND item < :last
ORDER BY item, attempt;


-- name: load_items_without_results
-- The same, without the results of items.
SELECT :columns(AttemptRow, change = NULL, error_traceback = NULL)
FROM cloaca_attempt
WHERE run_id = :run_id AND task_id = :task_id AND item >= :first AND item < :last
ORDER BY item, attempt;


-- name: load_item_marks
-- Read the states and times of attempts of items of a map from an index on, up to before another, without
-- what they wrote.
SELECT item, attempt, status, started_at, ended_at, retry_at
FROM cloaca_attempt
WHERE run_id = :run_id AND task_id = :task_id AND item >= :first AND item < :last
ORDER BY item, attempt;


-- name: load_chosen_items
-- Read all attempts of some items of a map.
SELECT :columns(AttemptRow)
FROM cloaca_attempt
WHERE run_id = :run_id AND task_id = :task_id AND item IN :indexes
ORDER BY item, attempt;


-- name: list_restarted_items
-- Read which items of maps of these runs were chosen to run again.
SELECT run_id, task_id, item, first_attempt, round FROM cloaca_restart
WHERE run_id IN :ids AND item >= 0
ORDER BY run_id, task_id, item, first_attempt;
