-- Statements about memos that PostgreSQL words in its own way. The rules are at the head of runs.sql.
--
-- * record_memo: rows. Of several rows for one memo it writes one, that of the latest attempt.


-- name: record_memo
-- Write memos whose runs the runner still owns. An earlier one with its key is replaced if it was made
-- for another input, or by an earlier attempt.
INSERT INTO cloaca_memo (
    run_id, task_id, kind, name, number, input_hash, attempt, value, calls, created_at
)
SELECT DISTINCT ON (
    new.run_id COLLATE "C", new.task_id COLLATE "C", new.kind COLLATE "C", new.name COLLATE "C",
    new.number
)
    new.run_id, new.task_id, new.kind, new.name, new.number, new.input_hash, new.attempt, new.value,
    new.calls, new.created_at
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:kind AS TEXT[]),
    CAST(:name AS TEXT[]), CAST(:number AS BIGINT[]), CAST(:input_hash AS TEXT[]),
    CAST(:attempt AS BIGINT[]), CAST(:value AS TEXT[]), CAST(:calls AS BIGINT[]),
    CAST(:created_at AS BIGINT[]), CAST(:runner_id AS TEXT[]), CAST(:fence AS BIGINT[])
) WITH ORDINALITY AS new (
    run_id, task_id, kind, name, number, input_hash, attempt, value, calls, created_at, runner_id,
    fence, place
)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[new.run_id]) AND run.owner = new.runner_id AND run.epoch = new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
ORDER BY
    new.run_id COLLATE "C", new.task_id COLLATE "C", new.kind COLLATE "C", new.name COLLATE "C",
    new.number, new.attempt DESC, new.place DESC
ON CONFLICT (run_id, task_id, item, kind, name, number) DO UPDATE SET
    input_hash = excluded.input_hash, attempt = excluded.attempt, value = excluded.value,
    calls = excluded.calls, created_at = excluded.created_at
WHERE cloaca_memo.input_hash <> excluded.input_hash OR cloaca_memo.attempt < excluded.attempt;
