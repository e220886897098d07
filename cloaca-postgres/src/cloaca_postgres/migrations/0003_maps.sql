-- A map: a task whose body runs once for each item of its data.

CREATE TABLE cloaca_map (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    version TEXT NOT NULL,
    items BIGINT NOT NULL,
    digest TEXT NOT NULL,
    decision BIGINT NOT NULL,
    labels TEXT,
    again TEXT,
    PRIMARY KEY (run_id, task_id)
);
