-- Runs that runners have left, as their versions of the workflow lack tasks (a JSON list of ids) that are
-- to run. Nearly always empty.
CREATE TABLE cloaca_unserved (
    runner_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    tasks TEXT NOT NULL,
    PRIMARY KEY (runner_id, run_id)
);

CREATE INDEX cloaca_unserved_run ON cloaca_unserved (run_id);
