-- Brings the tables from migration 31 of before_base to the base, with the runs in them.
--
-- Runners from before the base would record attempts under keys that are gone, and would claim runs
-- of every queue. So all registered runners are fenced, and the table refuses the registration of
-- another one. A runner of this version takes over their runs.

DROP VIEW cloaca_run_readable, cloaca_attempt_readable, cloaca_wait_readable,
    cloaca_message_readable, cloaca_task_log_readable;

UPDATE cloaca_runner SET fenced = 1, protocol = 3;

ALTER TABLE cloaca_runner ADD CHECK (protocol >= 3);

ALTER TABLE cloaca_run
    ADD COLUMN queue TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    ADD COLUMN child_kind TEXT COLLATE "C",
    ADD COLUMN singleton_key TEXT COLLATE "C";

DROP INDEX cloaca_run_claimable;

CREATE INDEX cloaca_run_claimable ON cloaca_run (workflow, queue, priority DESC, claimable_at, id)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

ALTER TABLE cloaca_workflow ADD COLUMN queue TEXT COLLATE "C" NOT NULL DEFAULT 'default';

ALTER TABLE cloaca_message ADD COLUMN taken_item BIGINT NOT NULL DEFAULT -1;

ALTER TABLE cloaca_task_log ADD COLUMN item BIGINT NOT NULL DEFAULT -1;

ALTER TABLE cloaca_attempt
    ADD COLUMN item BIGINT NOT NULL DEFAULT -1,
    DROP CONSTRAINT cloaca_attempt_pkey,
    ADD PRIMARY KEY (run_id, task_id, item, attempt);

ALTER TABLE cloaca_restart
    ADD COLUMN item BIGINT NOT NULL DEFAULT -1,
    DROP CONSTRAINT cloaca_restart_pkey,
    ADD PRIMARY KEY (run_id, task_id, item, first_attempt);

ALTER TABLE cloaca_fork
    ADD COLUMN from_item BIGINT NOT NULL DEFAULT -1,
    DROP CONSTRAINT cloaca_fork_pkey,
    ADD PRIMARY KEY (run_id, from_task, from_item);

ALTER TABLE cloaca_memo
    ADD COLUMN item BIGINT NOT NULL DEFAULT -1,
    DROP CONSTRAINT cloaca_memo_pkey,
    ADD PRIMARY KEY (run_id, task_id, item, kind, name, number);

ALTER TABLE cloaca_wait
    ADD COLUMN item BIGINT NOT NULL DEFAULT -1,
    DROP CONSTRAINT cloaca_wait_pkey,
    ADD PRIMARY KEY (run_id, task_id, item, kind, name, number);

DROP INDEX cloaca_wait_approval;

CREATE INDEX cloaca_wait_approval ON cloaca_wait (opened_at, run_id, task_id, item)
WHERE kind = 'approval' AND timed_out = 0;

ALTER TABLE cloaca_progress
    ADD COLUMN item BIGINT NOT NULL DEFAULT -1,
    DROP CONSTRAINT cloaca_progress_pkey,
    ADD PRIMARY KEY (run_id, task_id, item, attempt);

-- For people with a shell: rows with readable instants, here and in the other views.
CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    to_timestamp(created_at / 1000000.0) AS created_at,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    input,
    coalesce(final_context, CASE WHEN ended_at IS NOT NULL THEN input END) AS final_context,
    version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason, queue, child_kind, singleton_key
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);

CREATE VIEW cloaca_attempt_readable AS
SELECT
    run_id, task_id, item, attempt, status, error_type, error_message, skip_reason,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    to_timestamp(retry_at / 1000000.0) AS retry_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    change, error_traceback, crashes, epoch
FROM cloaca_attempt
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_attempt.run_id
);

-- Without the waits of runs that have ended.
CREATE VIEW cloaca_wait_readable AS
SELECT
    run_id, task_id, item, kind, name, number, attempt,
    to_timestamp(opened_at / 1000000.0) AS opened_at,
    to_timestamp(due_at / 1000000.0) AS due_at,
    timed_out, detail
FROM cloaca_wait
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL
);

CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    to_timestamp(sent_at / 1000000.0) AS sent_at,
    taken_by, taken_item
FROM cloaca_message
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_message.run_id
);

-- A row for each line.
CREATE VIEW cloaca_task_log_readable AS
SELECT
    log.run_id, log.task_id, log.item, log.attempt, log.number + line.place - 1 AS number,
    to_timestamp(CAST(line.items ->> 0 AS BIGINT) / 1000000.0) AS logged_at,
    line.items ->> 1 AS level,
    line.items ->> 2 AS logger,
    line.items ->> 3 AS message,
    line.items ->> 4 AS fields,
    log.position - log.size + line.place AS position
FROM cloaca_task_log AS log,
LATERAL json_array_elements(CAST(log.lines AS JSON)) WITH ORDINALITY AS line (items, place)
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = log.run_id
);

-- The base stands for all of them; it is recorded in the row of the first.
DELETE FROM cloaca_migration WHERE number > 1;
