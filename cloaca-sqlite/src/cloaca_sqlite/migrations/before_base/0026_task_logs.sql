-- What bodies of tasks have logged: lines of one attempt that follow each other. position: of the last of
-- them among the lines of the run. number: of the first of them in the attempt. lines: a JSON list of lists
-- with instant, level, logger, message and fields. With a rowid, as one without would be searched through
-- the lines.
CREATE TABLE cloaca_task_log (
    run_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
) STRICT;

-- How far the body of an attempt has come, as it has told last.
CREATE TABLE cloaca_progress (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    done REAL NOT NULL,
    total REAL,
    detail TEXT,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, task_id, attempt)
) STRICT;

-- For people with a shell: one row for each line, with a readable instant.
CREATE VIEW cloaca_task_log_readable AS
SELECT
    log.run_id, log.task_id, log.attempt, log.number + line.key AS number,
    datetime(json_extract(line.value, '$[0]') / 1000000, 'unixepoch') AS logged_at,
    json_extract(line.value, '$[1]') AS level,
    json_extract(line.value, '$[2]') AS logger,
    json_extract(line.value, '$[3]') AS message,
    json_extract(line.value, '$[4]') AS fields,
    log.position - log.size + 1 + line.key AS position
FROM cloaca_task_log AS log, json_each(log.lines) AS line
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = log.run_id
);
