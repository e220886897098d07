-- Limits, as programs have recorded them: content. changes: the settings that people have put over it.
-- family: the first name of the limits that are taken together with it, which are locked together.
CREATE TABLE cloaca_limit (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    content TEXT COLLATE "C" NOT NULL,
    changes TEXT COLLATE "C" NOT NULL DEFAULT '{}',
    family TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    changed_at BIGINT,
    changed_by TEXT
);
CREATE INDEX cloaca_limit_family ON cloaca_limit (family);

-- The use of a limit as a whole (key '') or by one key, and the line of those that wait for it.
CREATE TABLE cloaca_limit_line (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    held BIGINT NOT NULL,
    tat BIGINT NOT NULL,
    given BIGINT NOT NULL,
    opens_at BIGINT NOT NULL,
    first_rank BIGINT,
    first_at BIGINT,
    oldest_at BIGINT,
    waits BIGINT NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX cloaca_limit_line_rank ON cloaca_limit_line (name, first_rank, first_at)
WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> '';
CREATE INDEX cloaca_limit_line_age ON cloaca_limit_line (name, oldest_at)
WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> '';
CREATE INDEX cloaca_limit_line_opens ON cloaca_limit_line (name, opens_at)
WHERE first_at IS NOT NULL AND opens_at > 0 AND key <> '';

-- Bodies and runs that wait for places, each in the line of the first of its needs without a place.
CREATE TABLE cloaca_limit_waiter (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    item BIGINT NOT NULL,
    line TEXT COLLATE "C" NOT NULL,
    runner_id TEXT COLLATE "C",
    rank BIGINT NOT NULL,
    since BIGINT NOT NULL,
    units BIGINT NOT NULL,
    needs TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, task_id, item)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX cloaca_limit_waiter_rank ON cloaca_limit_waiter (
    line, rank, since, run_id, task_id, item
);
CREATE INDEX cloaca_limit_waiter_age ON cloaca_limit_waiter (line, since, run_id, task_id, item);
CREATE INDEX cloaca_limit_waiter_runner ON cloaca_limit_waiter (runner_id);

-- Places that are taken, those of one body or run in one row.
CREATE TABLE cloaca_limit_grant (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    item BIGINT NOT NULL,
    runner_id TEXT COLLATE "C",
    needs TEXT COLLATE "C" NOT NULL,
    given_at BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX cloaca_limit_grant_runner ON cloaca_limit_grant (runner_id, given_at);
