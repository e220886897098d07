-- Event triggers and what they found. An event's key outlives its run: whoever finds the event
-- again finds it taken.

CREATE TABLE cloaca_trigger (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    workflow TEXT,
    poll_interval_ms INTEGER,
    cron_expression TEXT,
    timezone TEXT,
    allow_concurrent INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    last_poll_at INTEGER,
    next_poll_at INTEGER,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX cloaca_trigger_name ON cloaca_trigger (name);

CREATE TABLE cloaca_event (
    id TEXT NOT NULL PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    event_key TEXT,
    context_hash TEXT NOT NULL,
    run_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX cloaca_event_key ON cloaca_event (trigger_id, event_key)
WHERE event_key IS NOT NULL;

CREATE INDEX cloaca_event_of_trigger ON cloaca_event (trigger_id, created_at, id);

CREATE INDEX cloaca_event_run ON cloaca_event (run_id);
