-- Brings the tables from migration 33 of before_base to the base, with the runs in them.
--
-- Runners from before the base would record attempts under keys that are gone, and would claim runs
-- of every queue. So all registered runners are fenced, and the table refuses the registration of
-- another one. A runner of this version takes over their runs.

DROP VIEW cloaca_run_readable;

DROP VIEW cloaca_attempt_readable;

DROP VIEW cloaca_wait_readable;

DROP VIEW cloaca_message_readable;

DROP VIEW cloaca_task_log_readable;

ALTER TABLE cloaca_run ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';

ALTER TABLE cloaca_run ADD COLUMN child_kind TEXT;

ALTER TABLE cloaca_run ADD COLUMN singleton_key TEXT;

DROP INDEX cloaca_run_claimable;

CREATE INDEX cloaca_run_claimable
ON cloaca_run (workflow, queue, priority DESC, claimable_at, id, status)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

ALTER TABLE cloaca_workflow ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';

ALTER TABLE cloaca_message ADD COLUMN taken_item INTEGER NOT NULL DEFAULT -1;

ALTER TABLE cloaca_task_log ADD COLUMN item INTEGER NOT NULL DEFAULT -1;

-- SQLite changes neither a key nor a check: these tables are made anew.
ALTER TABLE cloaca_runner RENAME TO cloaca_old_runner;

CREATE TABLE cloaca_runner (
    id TEXT NOT NULL PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start INTEGER NOT NULL,
    beat INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    fenced INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    protocol INTEGER NOT NULL CHECK (protocol >= 3),
    draining_since INTEGER,
    idle_since INTEGER,
    number INTEGER,
    sharing TEXT
) STRICT, WITHOUT ROWID;

INSERT INTO cloaca_runner
SELECT
    id, boot_id, pid_namespace, pid, process_start, beat, lease_until, 1, started_at, 3,
    draining_since, idle_since, number, sharing
FROM cloaca_old_runner;

DROP TABLE cloaca_old_runner;

ALTER TABLE cloaca_attempt RENAME TO cloaca_old_attempt;

CREATE TABLE cloaca_attempt (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    retry_at INTEGER,
    crashes INTEGER NOT NULL,
    error_type TEXT,
    error_message TEXT,
    skip_reason TEXT,
    change TEXT,
    error_traceback TEXT,
    reason_code TEXT,
    replacements INTEGER NOT NULL DEFAULT 0,
    runner INTEGER,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, attempt)
) STRICT;

INSERT INTO cloaca_attempt SELECT *, -1 FROM cloaca_old_attempt;

DROP TABLE cloaca_old_attempt;

ALTER TABLE cloaca_restart RENAME TO cloaca_old_restart;

CREATE TABLE cloaca_restart (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    first_attempt INTEGER NOT NULL,
    round INTEGER NOT NULL,
    with_children INTEGER NOT NULL DEFAULT 0,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, first_attempt)
) STRICT, WITHOUT ROWID;

INSERT INTO cloaca_restart SELECT *, -1 FROM cloaca_old_restart;

DROP TABLE cloaca_old_restart;

ALTER TABLE cloaca_fork RENAME TO cloaca_old_fork;

CREATE TABLE cloaca_fork (
    run_id TEXT NOT NULL,
    forked_from TEXT NOT NULL,
    from_task TEXT NOT NULL,
    content TEXT,
    created_at INTEGER NOT NULL,
    from_item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, from_task, from_item)
) STRICT, WITHOUT ROWID;

INSERT INTO cloaca_fork SELECT *, -1 FROM cloaca_old_fork;

DROP TABLE cloaca_old_fork;

ALTER TABLE cloaca_memo RENAME TO cloaca_old_memo;

CREATE TABLE cloaca_memo (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    input_hash TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    value TEXT NOT NULL,
    calls INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) STRICT;

INSERT INTO cloaca_memo SELECT *, -1 FROM cloaca_old_memo;

DROP TABLE cloaca_old_memo;

ALTER TABLE cloaca_wait RENAME TO cloaca_old_wait;

CREATE TABLE cloaca_wait (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    input_hash TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    due_at INTEGER,
    detail TEXT NOT NULL,
    timed_out INTEGER NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) STRICT, WITHOUT ROWID;

INSERT INTO cloaca_wait SELECT *, -1 FROM cloaca_old_wait;

DROP TABLE cloaca_old_wait;

CREATE INDEX cloaca_wait_approval ON cloaca_wait (opened_at, run_id, task_id, item)
WHERE kind = 'approval' AND timed_out = 0;

ALTER TABLE cloaca_progress RENAME TO cloaca_old_progress;

CREATE TABLE cloaca_progress (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    done REAL NOT NULL,
    total REAL,
    detail TEXT,
    told_at INTEGER NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, attempt)
) STRICT;

INSERT INTO cloaca_progress SELECT *, -1 FROM cloaca_old_progress;

DROP TABLE cloaca_old_progress;

-- For people with a shell: rows with readable instants, here and in the other views.
CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch')
        || printf('.%06dZ', created_at % 1000000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch')
        || printf('.%06dZ', started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_at % 1000000) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    CASE input WHEN '' THEN (
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = cloaca_run.id AND beside.round = 0
    ) ELSE input END AS input,
    CASE
        WHEN final_context <> '' THEN final_context
        WHEN ended_at IS NOT NULL THEN coalesce((
            SELECT beside.content FROM cloaca_payload AS beside
            WHERE beside.run_id = cloaca_run.id
                AND beside.round = iif(final_context = '', cloaca_run.round, 0)
        ), input)
    END AS final_context,
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
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch')
        || printf('.%06dZ', started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_at % 1000000) AS ended_at,
    strftime('%Y-%m-%dT%H:%M:%S', retry_at / 1000000, 'unixepoch')
        || printf('.%06dZ', retry_at % 1000000) AS retry_at,
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
    strftime('%Y-%m-%dT%H:%M:%S', opened_at / 1000000, 'unixepoch')
        || printf('.%06dZ', opened_at % 1000000) AS opened_at,
    strftime('%Y-%m-%dT%H:%M:%S', due_at / 1000000, 'unixepoch')
        || printf('.%06dZ', due_at % 1000000) AS due_at,
    timed_out, detail
FROM cloaca_wait
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL
);

CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    strftime('%Y-%m-%dT%H:%M:%S', sent_at / 1000000, 'unixepoch')
        || printf('.%06dZ', sent_at % 1000000) AS sent_at,
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
    log.run_id, log.task_id, log.item, log.attempt, log.number + line.key AS number,
    datetime(json_extract(line.value, '$[0]') / 1000000, 'unixepoch') AS logged_at,
    json_extract(line.value, '$[1]') AS level,
    json_extract(line.value, '$[2]') AS logger,
    json_extract(line.value, '$[3]') AS message,
    json_extract(line.value, '$[4]') AS fields,
    log.position - log.size + 1 + line.key AS position
FROM cloaca_task_log AS log, json_each(log.lines) AS line
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = log.run_id
);

-- The base stands for all of them; it is recorded in the row of the first.
DELETE FROM cloaca_migration WHERE number > 1;
