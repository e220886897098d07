-- Values that bodies of tasks keep, so that a body that runs again does not call for them again: kind is
-- "step", number says how often the name was met in one attempt. A memo counts for a task that has the
-- same input. calls: how many runs the body had submitted by then. With a rowid, as one without would be
-- searched through the values.
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
    PRIMARY KEY (run_id, task_id, kind, name, number)
) STRICT;
