-- Memos: values that bodies of tasks keep.


-- name: record_memo
-- Write memos whose runs the runner still owns, one row for each. An earlier one with its key is
-- replaced if it was made for another input, or by an earlier attempt.
INSERT INTO cloaca_memo (
    run_id, task_id, item, kind, name, number, input_hash, attempt, value, calls, created_at
)
SELECT
    :new.run_id, :new.task_id, :new.item, :new.kind, :new.name, :new.number, :new.input_hash,
    :new.attempt, :new.value, :new.calls, :new.created_at
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND runner.id = run.owner AND runner.fenced = 0
ON CONFLICT (run_id, task_id, item, kind, name, number) DO UPDATE SET
    input_hash = excluded.input_hash, attempt = excluded.attempt, value = excluded.value,
    calls = excluded.calls, created_at = excluded.created_at
WHERE cloaca_memo.input_hash <> excluded.input_hash OR cloaca_memo.attempt < excluded.attempt;


-- name: load_memos
-- Read the memos of a task, or of an item of a map.
SELECT run_id, task_id, kind, name, number, input_hash, attempt, value, calls, created_at, item
FROM cloaca_memo
WHERE run_id = :run_id AND task_id = :task_id AND item = :item
ORDER BY kind, name, number;


-- name: copy_memos
-- Give a new run the memos of tasks of the run that it was made of. Its own attempts are later ones.
INSERT INTO cloaca_memo (:columns(memo))
SELECT :columns(memo AS memo, run_id = :id, attempt = 0)
FROM cloaca_memo AS memo
WHERE memo.run_id = :source_id AND memo.task_id IN :memos_of
    AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id)
    AND NOT EXISTS (SELECT 1 FROM cloaca_fork WHERE run_id = :id)
ON CONFLICT DO NOTHING;
