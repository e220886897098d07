-- A map: a task whose body runs once for each item of its data.

CREATE TABLE cloaca_map (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    version TEXT NOT NULL,
    items INTEGER NOT NULL,
    digest TEXT NOT NULL,
    decision INTEGER NOT NULL,
    labels TEXT,
    again TEXT,
    PRIMARY KEY (run_id, task_id)
) STRICT;
