-- Cron schedules and the ticks that were decided. A tick's key outlives everything: whoever fires
-- it again finds it taken.

CREATE TABLE cloaca_schedule (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C",
    workflow TEXT COLLATE "C" NOT NULL,
    cron_expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    catchup_policy TEXT NOT NULL,
    overlap_policy TEXT NOT NULL,
    jitter_seconds BIGINT NOT NULL,
    start_date BIGINT,
    end_date BIGINT,
    params TEXT NOT NULL,
    decided_until BIGINT NOT NULL,
    next_tick BIGINT,
    due_at BIGINT,
    last_tick BIGINT,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX cloaca_schedule_name ON cloaca_schedule (name);

CREATE INDEX cloaca_schedule_of_workflow ON cloaca_schedule (workflow, id);

CREATE INDEX cloaca_schedule_due ON cloaca_schedule (workflow, due_at)
WHERE enabled = 1 AND due_at IS NOT NULL;

CREATE TABLE cloaca_tick (
    schedule_id TEXT COLLATE "C" NOT NULL,
    tick BIGINT NOT NULL,
    run_id TEXT COLLATE "C",
    outcome TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, tick)
);

CREATE INDEX cloaca_tick_created ON cloaca_tick (created_at);

-- Ticks that the policy dropped, counted: a schedule of every second may miss a million.
CREATE TABLE cloaca_lost (
    schedule_id TEXT COLLATE "C" NOT NULL,
    decided_until BIGINT NOT NULL,
    ticks BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, decided_until)
);

CREATE INDEX cloaca_lost_created ON cloaca_lost (created_at);
