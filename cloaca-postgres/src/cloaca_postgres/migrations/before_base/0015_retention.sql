-- How long runs are kept. root_id: the run at the top of a run's tree; NULL for a run that has no
-- parent, or is detached from it: that one is the root of a tree of its own.
ALTER TABLE cloaca_run ADD COLUMN root_id TEXT COLLATE "C";

WITH RECURSIVE tree (id, root_id) AS (
    SELECT root.id, root.id FROM cloaca_run AS root
    WHERE (root.parent_id IS NULL OR root.detached = 1) AND EXISTS (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = root.id AND child.parent_id IS NOT NULL
    )
    UNION ALL
    SELECT child.id, tree.root_id
    FROM tree
    JOIN cloaca_run AS child ON child.parent_id = tree.id AND child.parent_id IS NOT NULL
        AND child.detached = 0
)
UPDATE cloaca_run SET root_id = tree.root_id
FROM tree WHERE cloaca_run.id = tree.id AND tree.id <> tree.root_id;

CREATE INDEX cloaca_run_of_root ON cloaca_run (root_id, ended_at) WHERE root_id IS NOT NULL;

-- Trees that are being deleted: no view shows any of their runs.
CREATE TABLE cloaca_tombstone (
    root_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hidden_at BIGINT NOT NULL
);

-- Its one row says who prunes (until held_until, unless that is renewed), and when that is due next.
-- keeps_all: an earlier version made this database, so that nothing goes unless it is asked for.
CREATE TABLE cloaca_upkeep (
    id BIGINT NOT NULL PRIMARY KEY,
    keeps_all BIGINT NOT NULL,
    holder TEXT COLLATE "C",
    held_until BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);

INSERT INTO cloaca_upkeep (id, keeps_all, held_until, due_at)
SELECT 1, CASE
    WHEN EXISTS (SELECT 1 FROM cloaca_run) OR EXISTS (SELECT 1 FROM cloaca_schedule)
        OR EXISTS (SELECT 1 FROM cloaca_tick) OR EXISTS (SELECT 1 FROM cloaca_trigger)
        OR EXISTS (SELECT 1 FROM cloaca_event)
    THEN 1 ELSE 0
END, 0, 0;

-- pruned_until: ticks up to this one were forgotten. None of them fires (again).
ALTER TABLE cloaca_schedule ADD COLUMN pruned_until BIGINT;

-- retention: for how long runs of the workflow are kept, in µs: -1 for ever, NULL as the runner says.
ALTER TABLE cloaca_workflow ADD COLUMN retention BIGINT;

-- Rows go in batches, every hour: vacuum must not wait for a fifth of a table to be dead.
ALTER TABLE cloaca_run SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

ALTER TABLE cloaca_attempt SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

ALTER TABLE cloaca_run_tag SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

ALTER TABLE cloaca_tick SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

DROP VIEW cloaca_run_readable;

DROP VIEW cloaca_attempt_readable;

-- For people with a shell: runs with readable instants.
CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    to_timestamp(created_at / 1000000.0) AS created_at,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    input, final_context, version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);

-- For people with a shell: attempts with readable instants.
CREATE VIEW cloaca_attempt_readable AS
SELECT
    run_id, task_id, attempt, status, error_type, error_message, skip_reason,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    to_timestamp(retry_at / 1000000.0) AS retry_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    change, error_traceback, crashes, epoch
FROM cloaca_attempt
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_attempt.run_id
);
