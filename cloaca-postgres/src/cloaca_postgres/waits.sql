-- Statements about waits and messages that PostgreSQL words in its own way. The rules are at the head of
-- runs.sql.
--
-- * drop_repeated: what two transactions have sent with one key is an act of one of them.
-- * record_wait, time_out_wait, take_message, close_wait, insert_first_message, count_first_message: rows.
--   Of several rows for one wait record_wait writes the last one.


-- name: record_wait
-- Write what tasks wait for whose runs the runner still owns.
INSERT INTO cloaca_wait (
    run_id, task_id, kind, name, number, attempt, input_hash, opened_at, due_at, detail, timed_out
)
SELECT DISTINCT ON (
    new.run_id COLLATE "C", new.task_id COLLATE "C", new.kind COLLATE "C", new.name COLLATE "C",
    new.number
)
    new.run_id, new.task_id, new.kind, new.name, new.number, new.attempt, new.input_hash,
    new.opened_at, new.due_at, new.detail, new.timed_out
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:kind AS TEXT[]),
    CAST(:name AS TEXT[]), CAST(:number AS BIGINT[]), CAST(:attempt AS BIGINT[]),
    CAST(:input_hash AS TEXT[]), CAST(:opened_at AS BIGINT[]), CAST(:due_at AS BIGINT[]),
    CAST(:detail AS TEXT[]), CAST(:timed_out AS BIGINT[]), CAST(:runner_id AS TEXT[]),
    CAST(:fence AS BIGINT[])
) WITH ORDINALITY AS new (
    run_id, task_id, kind, name, number, attempt, input_hash, opened_at, due_at, detail, timed_out,
    runner_id, fence, place
)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[new.run_id]) AND run.owner = new.runner_id AND run.epoch = new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
ORDER BY
    new.run_id COLLATE "C", new.task_id COLLATE "C", new.kind COLLATE "C", new.name COLLATE "C",
    new.number, new.place DESC
ON CONFLICT (run_id, task_id, item, kind, name, number) DO UPDATE SET
    attempt = excluded.attempt, input_hash = excluded.input_hash, opened_at = excluded.opened_at,
    due_at = excluded.due_at, detail = excluded.detail, timed_out = excluded.timed_out;


-- name: time_out_wait
-- Decide that the time of waits is over, as far as the runner still owns their runs and has seen all
-- messages to them.
UPDATE cloaca_wait AS open SET timed_out = 1
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:kind AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:number AS BIGINT[]), CAST(:seen AS BIGINT[]), CAST(:runner_id AS TEXT[]),
    CAST(:fence AS BIGINT[])
) AS decided (run_id, task_id, kind, name, number, seen, runner_id, fence)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[decided.run_id]) AND run.owner = decided.runner_id AND run.epoch = decided.fence
        AND run.messages <= decided.seen
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
WHERE open.run_id = ANY(ARRAY[decided.run_id]) AND open.task_id = decided.task_id
    AND open.kind = decided.kind AND open.name = decided.name AND open.number = decided.number
    AND open.timed_out = 0
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_message AS late
        WHERE late.run_id = ANY(ARRAY[decided.run_id]) AND late.number IS NULL
    );


-- name: take_message
-- Note which tasks have read messages, as far as the runner still owns their runs.
UPDATE cloaca_message AS unread SET taken_by = taken.task_id
FROM unnest(
    CAST(:task_id AS TEXT[]), CAST(:run_id AS TEXT[]), CAST(:message AS BIGINT[]),
    CAST(:runner_id AS TEXT[]), CAST(:fence AS BIGINT[])
) AS taken (task_id, run_id, message, runner_id, fence)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[taken.run_id]) AND run.owner = taken.runner_id AND run.epoch = taken.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
WHERE unread.run_id = ANY(ARRAY[taken.run_id]) AND unread.number = taken.message
    AND unread.taken_by IS NULL;


-- name: close_wait
-- Forget waits that have ended, as far as the runner still owns their runs.
DELETE FROM cloaca_wait AS open
USING unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:kind AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:number AS BIGINT[]), CAST(:runner_id AS TEXT[]), CAST(:fence AS BIGINT[])
) AS ended (run_id, task_id, kind, name, number, runner_id, fence)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[ended.run_id]) AND run.owner = ended.runner_id AND run.epoch = ended.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
WHERE open.run_id = ANY(ARRAY[ended.run_id]) AND open.task_id = ended.task_id
    AND open.kind = ended.kind AND open.name = ended.name AND open.number = ended.number;


-- name: insert_first_message
-- Add the messages that come with new runs. A run that was there before has it, or gets none.
INSERT INTO cloaca_message (
    run_id, id, number, kind, name, payload, dedupe_key, sent_by, sent_at
)
SELECT
    run.id, new.id, 1, new.kind, new.name, new.payload, new.dedupe_key, new.sent_by, new.sent_at
FROM unnest(
    CAST(:id AS TEXT[]), CAST(:kind AS TEXT[]), CAST(:name AS TEXT[]), CAST(:payload AS TEXT[]),
    CAST(:dedupe_key AS TEXT[]), CAST(:sent_by AS TEXT[]), CAST(:sent_at AS BIGINT[]),
    CAST(:run_id AS TEXT[])
) AS new (id, kind, name, payload, dedupe_key, sent_by, sent_at, run_id)
JOIN cloaca_run AS run ON run.id = ANY(ARRAY[new.run_id]) AND run.messages = 0
ON CONFLICT DO NOTHING;


-- name: count_first_message
-- Count the messages of insert_first_message.
UPDATE cloaca_run AS run SET messages = 1
FROM unnest(CAST(:run_id AS TEXT[]), CAST(:id AS TEXT[])) AS new (run_id, id)
WHERE run.id = ANY(ARRAY[new.run_id]) AND run.messages = 0 AND EXISTS (
    SELECT 1 FROM cloaca_message AS first
    WHERE first.run_id = ANY(ARRAY[new.run_id]) AND first.id = new.id AND first.number = 1
);


-- name: drop_repeated
-- Delete messages of these runs whose keys other messages have, which have numbers, and the acts that
-- they were.
WITH dropped AS (
    DELETE FROM cloaca_message AS repeated
    WHERE repeated.run_id = ANY(CAST(:ids AS TEXT[])) AND repeated.number IS NULL AND EXISTS (
        SELECT 1 FROM cloaca_message AS earlier
        WHERE earlier.run_id = repeated.run_id AND earlier.kind = repeated.kind
            AND earlier.name = repeated.name AND earlier.dedupe_key = repeated.dedupe_key
            AND earlier.dedupe_key IS NOT NULL AND earlier.number IS NOT NULL
    )
    RETURNING repeated.run_id, repeated.id
)
DELETE FROM cloaca_act AS act USING dropped WHERE act.run_id = dropped.run_id AND act.id = dropped.id;
