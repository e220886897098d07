-- What a person does with a run: cancel it, hold it, run it again, say when it starts.
--
-- A runner of an earlier version would claim runs that are held. So all runners that are registered
-- are fenced, and the table refuses the registration of one that does not name its protocol. Runners
-- of this version take over what those owned.

DROP VIEW cloaca_run_readable;

ALTER TABLE cloaca_runner ADD COLUMN protocol INTEGER NOT NULL DEFAULT 1;

ALTER TABLE cloaca_runner ALTER COLUMN protocol DROP DEFAULT;

UPDATE cloaca_runner SET fenced = 1;

-- priority: the higher is claimed first; of equal ones that which became claimable first.
ALTER TABLE cloaca_run ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;

ALTER TABLE cloaca_run ADD COLUMN claimable_at BIGINT NOT NULL DEFAULT 0;

UPDATE cloaca_run SET claimable_at = created_at WHERE ended_at IS NULL;

-- due_at: the run is not claimable before. Once that has come, a runner sets it to NULL.
ALTER TABLE cloaca_run ADD COLUMN due_at BIGINT;

-- start_by: if the run has not begun by then, it is cancelled.
ALTER TABLE cloaca_run ADD COLUMN start_by BIGINT;

-- came_due: 1 once a run may be claimed because its time has come, 2 while the runner that claimed it
-- then owns it, else 0.
ALTER TABLE cloaca_run ADD COLUMN came_due INTEGER NOT NULL DEFAULT 0;

-- round: how many times the run was begun; retry opens the next.
ALTER TABLE cloaca_run ADD COLUMN round BIGINT NOT NULL DEFAULT 1;

-- cancel_at: by then a run that is being cancelled has ended.
ALTER TABLE cloaca_run ADD COLUMN cancel_at BIGINT;

-- paused_at: since then no task of the run starts; paused_until: then it goes on by itself.
ALTER TABLE cloaca_run ADD COLUMN paused_at BIGINT;

ALTER TABLE cloaca_run ADD COLUMN paused_until BIGINT;

-- stood_still: µs of the round in which it was paused, which its time limit leaves out.
ALTER TABLE cloaca_run ADD COLUMN stood_still BIGINT NOT NULL DEFAULT 0;

-- steer_reason: why it was cancelled or paused.
ALTER TABLE cloaca_run ADD COLUMN steer_reason TEXT;

-- detached: what is done to the run that submitted it is not done to it. children_at: its children
-- are still to be cancelled, by this deadline.
ALTER TABLE cloaca_run ADD COLUMN detached INTEGER NOT NULL DEFAULT 0;

ALTER TABLE cloaca_run ADD COLUMN children_at BIGINT;

-- A run that has not ended is in one of two indexes if a runner owns it or it may be claimed.
DROP INDEX cloaca_run_claimable;

DROP INDEX cloaca_run_owned;

CREATE INDEX cloaca_run_owned ON cloaca_run (owner, workflow, id)
WHERE owner IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_claimable ON cloaca_run (workflow, priority DESC, claimable_at, id)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

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
    id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    workflow TEXT COLLATE "C" NOT NULL,
    round BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    asked_by TEXT NOT NULL,
    reason TEXT,
    changed INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, id)
);

CREATE INDEX cloaca_act_newest ON cloaca_act (created_at, id);

-- Rounds of runs that were begun again, as they ended.
CREATE TABLE cloaca_round (
    run_id TEXT COLLATE "C" NOT NULL,
    round BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    error_message TEXT,
    reason_code TEXT,
    limit_seconds BIGINT,
    final_context TEXT,
    started_at BIGINT,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, round)
);

-- Tasks that run again: their attempts before first_attempt are history.
CREATE TABLE cloaca_restart (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    first_attempt BIGINT NOT NULL,
    round BIGINT NOT NULL,
    PRIMARY KEY (run_id, task_id, first_attempt)
);

-- Workflows of which no run is claimed.
CREATE TABLE cloaca_paused_workflow (
    workflow TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    paused_at BIGINT NOT NULL,
    paused_until BIGINT
);

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
FROM cloaca_run;
