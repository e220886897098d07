-- Event triggers and what they found. An event's key outlives its run: whoever finds the event
-- again finds it taken.

CREATE TABLE cloaca_trigger (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    workflow TEXT COLLATE "C",
    poll_interval_ms BIGINT,
    cron_expression TEXT,
    timezone TEXT,
    allow_concurrent INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    last_poll_at BIGINT,
    next_poll_at BIGINT,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX cloaca_trigger_name ON cloaca_trigger (name);

CREATE TABLE cloaca_event (
    id TEXT COLLATE "C" PRIMARY KEY,
    trigger_id TEXT COLLATE "C" NOT NULL,
    event_key TEXT COLLATE "C",
    context_hash TEXT NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX cloaca_event_key ON cloaca_event (trigger_id, event_key)
WHERE event_key IS NOT NULL;

CREATE INDEX cloaca_event_of_trigger ON cloaca_event (trigger_id, created_at, id);

CREATE INDEX cloaca_event_run ON cloaca_event (run_id);
