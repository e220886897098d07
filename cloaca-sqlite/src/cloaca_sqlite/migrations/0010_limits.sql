-- Limits, as programs have recorded them: content. changes: the settings that people have put over it.
-- family: the first name of the limits that are taken together with it, which are locked together.
CREATE TABLE cloaca_limit (
    name TEXT NOT NULL PRIMARY KEY,
    content TEXT NOT NULL,
    changes TEXT NOT NULL DEFAULT '{}',
    family TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    changed_at INTEGER,
    changed_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX cloaca_limit_family ON cloaca_limit (family);

-- The use of a limit as a whole (key '') or by one key, and the line of those that wait for it.
CREATE TABLE cloaca_limit_line (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    held INTEGER NOT NULL,
    tat INTEGER NOT NULL,
    given INTEGER NOT NULL,
    opens_at INTEGER NOT NULL,
    first_rank INTEGER,
    first_at INTEGER,
    oldest_at INTEGER,
    waits INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cloaca_limit_line_rank ON cloaca_limit_line (name, first_rank, first_at)
WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> '';
CREATE INDEX cloaca_limit_line_age ON cloaca_limit_line (name, oldest_at)
WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> '';
CREATE INDEX cloaca_limit_line_opens ON cloaca_limit_line (name, opens_at)
WHERE first_at IS NOT NULL AND opens_at > 0 AND key <> '';

-- Bodies and runs that wait for places, each in the line of the first of its needs without a place.
CREATE TABLE cloaca_limit_waiter (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    item INTEGER NOT NULL,
    line TEXT NOT NULL,
    runner_id TEXT,
    rank INTEGER NOT NULL,
    since INTEGER NOT NULL,
    units INTEGER NOT NULL,
    needs TEXT NOT NULL,
    PRIMARY KEY (run_id, task_id, item)
) STRICT;
CREATE INDEX cloaca_limit_waiter_rank ON cloaca_limit_waiter (
    line, rank, since, run_id, task_id, item
);
CREATE INDEX cloaca_limit_waiter_age ON cloaca_limit_waiter (line, since, run_id, task_id, item);
CREATE INDEX cloaca_limit_waiter_runner ON cloaca_limit_waiter (runner_id);

-- Places that are taken, those of one body or run in one row.
CREATE TABLE cloaca_limit_grant (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    item INTEGER NOT NULL,
    runner_id TEXT,
    needs TEXT NOT NULL,
    given_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cloaca_limit_grant_runner ON cloaca_limit_grant (runner_id, given_at);
