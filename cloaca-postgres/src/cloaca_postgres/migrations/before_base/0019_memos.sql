-- Values that bodies of tasks keep, so that a body that runs again does not call for them again: kind is
-- "step", number says how often the name was met in one attempt. A memo counts for a task that has the
-- same input. calls: how many runs the body had submitted by then.
CREATE TABLE cloaca_memo (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    input_hash TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    value TEXT NOT NULL,
    calls BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, task_id, kind, name, number)
);

-- As for the other rows of runs: they go in batches, every hour.
ALTER TABLE cloaca_memo SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);
