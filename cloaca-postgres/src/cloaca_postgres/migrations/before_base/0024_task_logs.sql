-- What bodies of tasks have logged: lines of one attempt that follow each other. position: of the last of
-- them among the lines of the run. number: of the first of them in the attempt. lines: a JSON list of lists
-- with instant, level, logger, message and fields.
CREATE TABLE cloaca_task_log (
    run_id TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    number BIGINT NOT NULL,
    size BIGINT NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
);

-- How far the body of an attempt has come, as it has told last.
CREATE TABLE cloaca_progress (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    done DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION,
    detail TEXT,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, task_id, attempt)
);

-- As for the other rows of runs: they go in batches, every hour.
ALTER TABLE cloaca_task_log SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

ALTER TABLE cloaca_progress SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

-- For people with a shell: one row for each line, with a readable instant.
CREATE VIEW cloaca_task_log_readable AS
SELECT
    log.run_id, log.task_id, log.attempt, log.number + line.place - 1 AS number,
    to_timestamp(CAST(line.items ->> 0 AS BIGINT) / 1000000.0) AS logged_at,
    line.items ->> 1 AS level,
    line.items ->> 2 AS logger,
    line.items ->> 3 AS message,
    line.items ->> 4 AS fields,
    log.position - log.size + line.place AS position
FROM cloaca_task_log AS log,
LATERAL json_array_elements(CAST(log.lines AS JSON)) WITH ORDINALITY AS line (items, place)
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = log.run_id
);
