-- What a person does with a run: cancel it, hold it, run it again, say when it starts.
--
-- A runner of an earlier version would claim runs that are held. So all runners that are registered
-- are fenced, and the table refuses the registration of one that does not name its protocol. Runners
-- of this version take over what those owned.

DROP VIEW cloaca_run_readable;

ALTER TABLE cloaca_runner RENAME TO cloaca_earlier_runner;

CREATE TABLE cloaca_runner (
    id TEXT NOT NULL PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start INTEGER NOT NULL,
    beat INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    fenced INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    protocol INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO cloaca_runner
SELECT id, boot_id, pid_namespace, pid, process_start, beat, lease_until, 1, started_at, 1
FROM cloaca_earlier_runner;

DROP TABLE cloaca_earlier_runner;

-- priority: the higher is claimed first; of equal ones that which became claimable first.
ALTER TABLE cloaca_run ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;

ALTER TABLE cloaca_run ADD COLUMN claimable_at INTEGER NOT NULL DEFAULT 0;

UPDATE cloaca_run SET claimable_at = created_at WHERE ended_at IS NULL;

-- due_at: the run is not claimable before. Once that has come, a runner sets it to NULL.
ALTER TABLE cloaca_run ADD COLUMN due_at INTEGER;

-- start_by: if the run has not begun by then, it is cancelled.
ALTER TABLE cloaca_run ADD COLUMN start_by INTEGER;

-- came_due: 1 once a run may be claimed because its time has come, 2 while the runner that claimed it
-- then owns it, else 0.
ALTER TABLE cloaca_run ADD COLUMN came_due INTEGER NOT NULL DEFAULT 0;

-- round: how many times the run was begun; retry opens the next.
ALTER TABLE cloaca_run ADD COLUMN round INTEGER NOT NULL DEFAULT 1;

-- cancel_at: by then a run that is being cancelled has ended.
ALTER TABLE cloaca_run ADD COLUMN cancel_at INTEGER;

-- paused_at: since then no task of the run starts; paused_until: then it goes on by itself.
ALTER TABLE cloaca_run ADD COLUMN paused_at INTEGER;

ALTER TABLE cloaca_run ADD COLUMN paused_until INTEGER;

-- stood_still: µs of the round in which it was paused, which its time limit leaves out.
ALTER TABLE cloaca_run ADD COLUMN stood_still INTEGER NOT NULL DEFAULT 0;

-- steer_reason: why it was cancelled or paused.
ALTER TABLE cloaca_run ADD COLUMN steer_reason TEXT;

-- detached: what is done to the run that submitted it is not done to it. children_at: its children
-- are still to be cancelled, by this deadline.
ALTER TABLE cloaca_run ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;

ALTER TABLE cloaca_run ADD COLUMN children_at INTEGER;

-- A run that has not ended is in one of three indexes: a runner owns it, or it may be claimed, or
-- something holds it back.
DROP INDEX cloaca_run_active;

CREATE INDEX cloaca_run_owned ON cloaca_run (owner, workflow, id, status)
WHERE owner IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_claimable ON cloaca_run (workflow, priority DESC, claimable_at, id, status)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

CREATE INDEX cloaca_run_held ON cloaca_run (workflow, id, status)
WHERE owner IS NULL AND ended_at IS NULL
    AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL);

CREATE INDEX cloaca_run_due ON cloaca_run (workflow, due_at, id)
WHERE due_at IS NOT NULL AND owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_parked ON cloaca_run (workflow, claimable_at)
WHERE due_at IS NOT NULL AND owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_paused_until ON cloaca_run (paused_until)
WHERE paused_until IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_start_by ON cloaca_run (start_by, id)
WHERE start_by IS NOT NULL AND started_at IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_steered ON cloaca_run (owner)
WHERE owner IS NOT NULL AND ended_at IS NULL AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL);

CREATE INDEX cloaca_run_of_parent ON cloaca_run (parent_id, id) WHERE parent_id IS NOT NULL;

CREATE INDEX cloaca_run_child ON cloaca_run (parent_id, id)
WHERE parent_id IS NOT NULL AND ended_at IS NULL AND detached = 0 AND cancel_at IS NULL;

CREATE INDEX cloaca_run_children_due ON cloaca_run (children_at, id) WHERE children_at IS NOT NULL;

-- Who did what with a run, or (run_id '') with a workflow. changed is 0 for an act that found it done.
CREATE TABLE cloaca_act (
    id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    round INTEGER NOT NULL,
    kind TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    reason TEXT,
    changed INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_act_newest ON cloaca_act (created_at, id);

-- Rounds of runs that were begun again, as they ended.
CREATE TABLE cloaca_round (
    run_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_message TEXT,
    reason_code TEXT,
    limit_seconds INTEGER,
    final_context TEXT,
    started_at INTEGER,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, round)
) STRICT;

-- Tasks that run again: their attempts before first_attempt are history.
CREATE TABLE cloaca_restart (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    first_attempt INTEGER NOT NULL,
    round INTEGER NOT NULL,
    PRIMARY KEY (run_id, task_id, first_attempt)
) STRICT, WITHOUT ROWID;

-- Workflows of which no run is claimed.
CREATE TABLE cloaca_paused_workflow (
    workflow TEXT NOT NULL PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    paused_until INTEGER
) STRICT, WITHOUT ROWID;

-- For people with a SQLite shell: runs with readable instants.
CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch')
        || printf('.%06dZ', created_at % 1000000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch')
        || printf('.%06dZ', started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_at % 1000000) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    input, final_context, version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason
FROM cloaca_run;
