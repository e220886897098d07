-- Cron schedules and the ticks that were decided. A tick's key outlives everything: whoever fires
-- it again finds it taken.

CREATE TABLE cloaca_schedule (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    workflow TEXT NOT NULL,
    cron_expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    catchup_policy TEXT NOT NULL,
    overlap_policy TEXT NOT NULL,
    jitter_seconds INTEGER NOT NULL,
    start_date INTEGER,
    end_date INTEGER,
    params TEXT NOT NULL,
    decided_until INTEGER NOT NULL,
    next_tick INTEGER,
    due_at INTEGER,
    last_tick INTEGER,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX cloaca_schedule_name ON cloaca_schedule (name);

CREATE INDEX cloaca_schedule_of_workflow ON cloaca_schedule (workflow, id);

CREATE INDEX cloaca_schedule_due ON cloaca_schedule (workflow, due_at)
WHERE enabled = 1 AND due_at IS NOT NULL;

CREATE TABLE cloaca_tick (
    schedule_id TEXT NOT NULL,
    tick INTEGER NOT NULL,
    run_id TEXT,
    outcome TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, tick)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_tick_created ON cloaca_tick (created_at);

-- Ticks that the policy dropped, counted: a schedule of every second may miss a million.
CREATE TABLE cloaca_lost (
    schedule_id TEXT NOT NULL,
    decided_until INTEGER NOT NULL,
    ticks INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, decided_until)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_lost_created ON cloaca_lost (created_at);
