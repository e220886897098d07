-- Instants are µs since 1970 in UTC, payloads JSON text that no statement parses, flags 0 or 1.
-- Texts that are compared or ordered have COLLATE "C": an id's order must not depend on the
-- database's locale. No foreign keys: every write is guarded by its owner already, and history is
-- pruned whole runs at a time. 0.x had no table whose name begins with cloaca_.

CREATE TABLE cloaca_migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);

CREATE TABLE cloaca_runner (
    id TEXT COLLATE "C" PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid BIGINT NOT NULL,
    process_start BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    fenced INTEGER NOT NULL,
    started_at BIGINT NOT NULL
);

CREATE TABLE cloaca_run (
    id TEXT COLLATE "C" PRIMARY KEY,
    workflow TEXT COLLATE "C" NOT NULL,
    version TEXT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C",
    epoch BIGINT NOT NULL,
    recoveries BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    parent_id TEXT COLLATE "C",
    idempotency_key TEXT COLLATE "C",
    tags TEXT NOT NULL,
    error_message TEXT,
    input TEXT NOT NULL,
    final_context TEXT
);

-- What waits to be claimed; a run that is owned from its start is never in it.
CREATE INDEX cloaca_run_claimable ON cloaca_run (workflow, id)
WHERE owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_owned ON cloaca_run (owner, id) WHERE ended_at IS NULL;

CREATE UNIQUE INDEX cloaca_run_key ON cloaca_run (workflow, idempotency_key)
WHERE idempotency_key IS NOT NULL;

CREATE INDEX cloaca_run_of_workflow ON cloaca_run (workflow, id);

CREATE INDEX cloaca_run_of_status ON cloaca_run (status, id);

CREATE TABLE cloaca_attempt (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    retry_at BIGINT,
    crashes BIGINT NOT NULL,
    error_type TEXT,
    error_message TEXT,
    skip_reason TEXT,
    change TEXT,
    error_traceback TEXT,
    PRIMARY KEY (run_id, task_id, attempt)
);

CREATE TABLE cloaca_run_tag (
    run_id TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, tag)
);

CREATE INDEX cloaca_run_tag_content ON cloaca_run_tag (tag, content, run_id);

-- For people with a shell: runs with readable instants.
CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    to_timestamp(created_at / 1000000.0) AS created_at,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    input, final_context, version, owner, epoch, recoveries, parent_id, idempotency_key
FROM cloaca_run;

-- For people with a shell: attempts with readable instants.
CREATE VIEW cloaca_attempt_readable AS
SELECT
    run_id, task_id, attempt, status, error_type, error_message, skip_reason,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    to_timestamp(retry_at / 1000000.0) AS retry_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    change, error_traceback, crashes, epoch
FROM cloaca_attempt;
