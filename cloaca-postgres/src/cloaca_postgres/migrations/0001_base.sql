-- The tables of the first release. Instants are µs since 1970 in UTC, payloads JSON text that no
-- statement parses, flags 0 or 1. Texts that are compared or ordered have COLLATE "C": the order of
-- ids must not depend on the database's locale. There are no foreign keys: the owner of a run guards
-- every write already, and history is pruned whole runs at a time. Tables whose rows are deleted in
-- batches are vacuumed before a fifth of them is dead. docs/reference/database.md says what a column
-- means; the comments here say why a table is as it is.
--
-- item, in the rows of a task: the index of an item of a map; -1 for the task itself.

-- applied_at of number 1 identifies the database: the locks of idempotency keys are made of it.
CREATE TABLE cloaca_migration (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);

-- Runners of a protocol before 3 know neither items nor queues, and the CHECK refuses their
-- registration. idle_since is by the runner's own clock; sharing is JSON.
CREATE TABLE cloaca_runner (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid BIGINT NOT NULL,
    process_start BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    fenced INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    protocol INTEGER NOT NULL CHECK (protocol >= 3),
    draining_since BIGINT,
    idle_since BIGINT,
    number BIGINT,
    sharing TEXT
);

-- Names of runners, also of those that are gone: number is in the attempts that a runner recorded.
CREATE TABLE cloaca_runner_name (
    number BIGINT NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    host TEXT NOT NULL,
    process BIGINT NOT NULL,
    gone_at BIGINT
);

-- Runs that runners have left because their versions of the workflow lack tasks (a JSON list of ids).
-- Nearly always empty.
CREATE TABLE cloaca_unserved (
    runner_id TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    tasks TEXT NOT NULL,
    PRIMARY KEY (runner_id, run_id)
);

CREATE INDEX cloaca_unserved_run ON cloaca_unserved (run_id);

-- A run that has not ended is in one of three indexes: a runner owns it, or it may be claimed, or
-- something holds it back.
--
-- due_at: 2^62 for a run that waits for a message, and for no instant.
-- time_limit: -1 for any time; NULL where the workflow or the runner decides.
-- reason_tasks: a JSON list; an entry is the id of a task, or [id, index of an item].
-- follows, follows_round, follows_place: the run was inserted when that run ended that round, for the
-- row of cloaca_when_ended with that place. It is there once, however often the end is sent.
-- paused_with: the pause of its parent that came to the run last, also if it was resumed since. NULL
-- if none came, or if the run was paused on its own.
-- queue: the queue in which runners may claim the run now.
-- child_kind: how its parent began the run: as a node, by run_workflow or by start_workflow. NULL for
-- a run of submit or execute.
-- singleton_key: at most one of the runs with one key is under way; the others wait behind it.
CREATE TABLE cloaca_run (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workflow TEXT COLLATE "C" NOT NULL,
    version TEXT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C",
    epoch BIGINT NOT NULL,
    recoveries BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    parent_id TEXT COLLATE "C",
    idempotency_key TEXT COLLATE "C",
    tags TEXT NOT NULL,
    error_message TEXT,
    input TEXT NOT NULL,
    final_context TEXT,
    schedule_id TEXT COLLATE "C",
    behind TEXT COLLATE "C",
    context_hash TEXT COLLATE "C",
    reason_code TEXT,
    limit_seconds BIGINT,
    priority BIGINT NOT NULL DEFAULT 0,
    claimable_at BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT,
    start_by BIGINT,
    came_due INTEGER NOT NULL DEFAULT 0,
    round BIGINT NOT NULL DEFAULT 1,
    cancel_at BIGINT,
    paused_at BIGINT,
    paused_until BIGINT,
    stood_still BIGINT NOT NULL DEFAULT 0,
    steer_reason TEXT,
    detached INTEGER NOT NULL DEFAULT 0,
    children_at BIGINT,
    time_limit BIGINT,
    deadline_at BIGINT,
    reason_tasks TEXT,
    pause_id TEXT COLLATE "C",
    paused_with TEXT COLLATE "C",
    pause_follows INTEGER,
    follows TEXT COLLATE "C",
    follows_round BIGINT,
    follows_place BIGINT,
    replacements INTEGER NOT NULL DEFAULT 0,
    root_id TEXT COLLATE "C",
    cancels_children INTEGER,
    messages BIGINT NOT NULL DEFAULT 0,
    rests_since BIGINT,
    trace TEXT,
    ran_version TEXT,
    queue TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    child_kind TEXT COLLATE "C",
    singleton_key TEXT COLLATE "C"
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

CREATE UNIQUE INDEX cloaca_run_key ON cloaca_run (workflow, idempotency_key)
WHERE idempotency_key IS NOT NULL;

CREATE INDEX cloaca_run_of_workflow ON cloaca_run (workflow, id);

CREATE INDEX cloaca_run_of_status ON cloaca_run (status, id);

CREATE INDEX cloaca_run_failed ON cloaca_run (ended_at, id) WHERE status = 'Failed';

CREATE INDEX cloaca_run_owned ON cloaca_run (owner, workflow, id)
WHERE owner IS NOT NULL AND ended_at IS NULL;

-- The order of claims. A queue is in front of the priority: as a filter it would read the runs of
-- all other queues.
CREATE INDEX cloaca_run_claimable ON cloaca_run (workflow, queue, priority DESC, claimable_at, id)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

CREATE INDEX cloaca_run_behind ON cloaca_run (behind) WHERE behind IS NOT NULL;

CREATE INDEX cloaca_run_due ON cloaca_run (workflow, due_at, id)
WHERE due_at < 4611686018427387904 AND owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_parked ON cloaca_run (workflow, claimable_at)
WHERE due_at < 4611686018427387904 AND owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_start_by ON cloaca_run (start_by, id)
WHERE start_by IS NOT NULL AND started_at IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_steered ON cloaca_run (owner)
WHERE owner IS NOT NULL AND ended_at IS NULL
    AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL OR replacements > 0 OR messages > 0);

CREATE INDEX cloaca_run_paused_until ON cloaca_run (paused_until)
WHERE paused_until IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_pause_follows ON cloaca_run (id) WHERE pause_follows IS NOT NULL;

CREATE INDEX cloaca_run_of_parent ON cloaca_run (parent_id, id) WHERE parent_id IS NOT NULL;

CREATE INDEX cloaca_run_child ON cloaca_run (parent_id, id)
WHERE parent_id IS NOT NULL AND ended_at IS NULL AND detached = 0 AND cancel_at IS NULL;

CREATE INDEX cloaca_run_children_due ON cloaca_run (children_at, id) WHERE children_at IS NOT NULL;

CREATE INDEX cloaca_run_of_root ON cloaca_run (root_id, ended_at) WHERE root_id IS NOT NULL;

CREATE UNIQUE INDEX cloaca_run_follows ON cloaca_run (follows, follows_round, follows_place)
WHERE follows IS NOT NULL;

CREATE INDEX cloaca_run_of_schedule ON cloaca_run (schedule_id, id)
WHERE schedule_id IS NOT NULL AND ended_at IS NULL;

-- Whether a run that a trigger fired with a context is active is one look-up.
CREATE INDEX cloaca_run_of_context ON cloaca_run (schedule_id, context_hash)
WHERE context_hash IS NOT NULL AND ended_at IS NULL;

CREATE TABLE cloaca_run_tag (
    run_id TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, tag)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

CREATE INDEX cloaca_run_tag_content ON cloaca_run_tag (tag, content, run_id);

-- runner: the number of the runner that recorded the attempt, in cloaca_runner_name. replacements: how
-- many replacements of keys of its run the attempt has seen.
CREATE TABLE cloaca_attempt (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    retry_at BIGINT,
    crashes BIGINT NOT NULL,
    error_type TEXT,
    error_message TEXT,
    skip_reason TEXT,
    change TEXT,
    error_traceback TEXT,
    reason_code TEXT,
    replacements INTEGER NOT NULL DEFAULT 0,
    runner BIGINT,
    item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, attempt)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

-- Tasks that run again: their attempts before first_attempt are history. with_children: 1 if failed
-- children of the task were begun again before it.
CREATE TABLE cloaca_restart (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    first_attempt BIGINT NOT NULL,
    round BIGINT NOT NULL,
    with_children INTEGER NOT NULL DEFAULT 0,
    item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, first_attempt)
);

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

-- Keys of runs that resume replaced. Tasks that start after a replacement see its keys.
CREATE TABLE cloaca_replacement (
    run_id TEXT COLLATE "C" NOT NULL,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, number)
);

-- Which run a run was made of, and from which of its tasks on: a row for each item that runs again, or
-- one with -1. content: the keys that were set just before that task, as JSON. A run that is made of
-- this one has them too, if it keeps the result of that task.
CREATE TABLE cloaca_fork (
    run_id TEXT COLLATE "C" NOT NULL,
    forked_from TEXT COLLATE "C" NOT NULL,
    from_task TEXT COLLATE "C" NOT NULL,
    content TEXT,
    created_at BIGINT NOT NULL,
    from_item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, from_task, from_item)
);

-- Values that bodies of tasks keep, so that a body that runs again does not compute them again. number:
-- how often the body came to the name in one attempt. A memo counts for a task with the same input.
-- calls: how many runs the body had submitted by then.
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
    item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

-- Open waits. number: how often a body came to the kind and name in one attempt; 0 for a node. A wait
-- ends at due_at, if it has one, or by a message. timed_out: 1 once a runner decided that its time is
-- over. detail: a JSON object for the people who answer.
CREATE TABLE cloaca_wait (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    input_hash TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    due_at BIGINT,
    detail TEXT NOT NULL,
    timed_out BIGINT NOT NULL,
    item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

CREATE INDEX cloaca_wait_approval ON cloaca_wait (opened_at, run_id, task_id, item)
WHERE kind = 'approval' AND timed_out = 0;

-- Messages, in the order of the numbers that they have in their run, from 1. number: NULL until a
-- runner has numbered a message that a user's transaction wrote. taken_by, taken_item: whose wait the
-- message ended; taken_by is NULL while it is unread. Of messages with one dedupe_key the first counts.
CREATE TABLE cloaca_message (
    run_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    number BIGINT,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    payload TEXT NOT NULL,
    dedupe_key TEXT COLLATE "C",
    sent_by TEXT,
    sent_at BIGINT NOT NULL,
    taken_by TEXT COLLATE "C",
    taken_item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, id)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

CREATE UNIQUE INDEX cloaca_message_unread ON cloaca_message (run_id, number) WHERE taken_by IS NULL;

CREATE INDEX cloaca_message_unnumbered ON cloaca_message (run_id) WHERE number IS NULL;

CREATE INDEX cloaca_message_key ON cloaca_message (run_id, kind, name, dedupe_key)
WHERE dedupe_key IS NOT NULL;

-- Lines that bodies logged: a row holds lines of one attempt that follow each other. position: of the
-- last of them among the lines of the run. number: of the first of them in the attempt. lines: a JSON
-- list of lists with instant, level, logger, message and fields.
CREATE TABLE cloaca_task_log (
    run_id TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    number BIGINT NOT NULL,
    size BIGINT NOT NULL,
    lines TEXT NOT NULL,
    item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, position)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

-- The latest progress that the body of an attempt reported.
CREATE TABLE cloaca_progress (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    done DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION,
    detail TEXT,
    told_at BIGINT NOT NULL,
    item BIGINT NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, attempt)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

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

-- created_at >= 0: an act is looked for by its id too, and must not be found by reading this index.
CREATE INDEX cloaca_act_newest ON cloaca_act (created_at, id) WHERE created_at >= 0;

-- Without submissions, of which there may be as many as runs.
CREATE INDEX cloaca_act_asked ON cloaca_act (created_at, id) WHERE kind <> 'submit';

CREATE INDEX cloaca_act_by ON cloaca_act (asked_by, run_id);

CREATE INDEX cloaca_act_of_person ON cloaca_act (asked_by, kind, created_at, id, run_id);

CREATE INDEX cloaca_act_of_kind ON cloaca_act (kind, created_at, id, run_id);

-- Workflows of which no run is claimed.
CREATE TABLE cloaca_paused_workflow (
    workflow TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    paused_at BIGINT NOT NULL,
    paused_until BIGINT
);

-- Definitions of workflows as runners registered them, for programs that lack their code: all
-- versions here, and in cloaca_workflow the one that was registered last.
CREATE TABLE cloaca_definition (
    workflow TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    content TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (workflow, version)
);

-- retention: for how long runs of the workflow are kept, in µs; -1 for ever, NULL as the runner says.
-- queue: in which the runs begin that SQL inserts: of schedules, triggers and follow-ups.
CREATE TABLE cloaca_workflow (
    workflow TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    short_name TEXT COLLATE "C" NOT NULL,
    retention BIGINT,
    queue TEXT COLLATE "C" NOT NULL DEFAULT 'default'
);

CREATE INDEX cloaca_workflow_name ON cloaca_workflow (name);

CREATE INDEX cloaca_workflow_short_name ON cloaca_workflow (short_name);

-- What follows the ends of runs of a version of a workflow: a row for each state in which they end.
CREATE TABLE cloaca_when_ended (
    workflow TEXT COLLATE "C" NOT NULL,
    version TEXT NOT NULL,
    place BIGINT NOT NULL,
    status TEXT NOT NULL,
    submits TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (workflow, version, place, status)
);

-- Cron schedules and the ticks that were decided. The key of a tick outlives everything: whoever fires
-- it again finds it taken. pruned_until: ticks up to this one were forgotten. None of them fires again.
CREATE TABLE cloaca_schedule (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C",
    workflow TEXT COLLATE "C" NOT NULL,
    cron_expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    catchup_policy TEXT NOT NULL,
    overlap_policy TEXT NOT NULL,
    jitter_seconds BIGINT NOT NULL,
    start_date BIGINT,
    end_date BIGINT,
    params TEXT NOT NULL,
    decided_until BIGINT NOT NULL,
    next_tick BIGINT,
    due_at BIGINT,
    last_tick BIGINT,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    time_limit BIGINT,
    pruned_until BIGINT
);

CREATE UNIQUE INDEX cloaca_schedule_name ON cloaca_schedule (name);

CREATE INDEX cloaca_schedule_of_workflow ON cloaca_schedule (workflow, id);

CREATE INDEX cloaca_schedule_due ON cloaca_schedule (workflow, due_at)
WHERE enabled = 1 AND due_at IS NOT NULL;

CREATE TABLE cloaca_tick (
    schedule_id TEXT COLLATE "C" NOT NULL,
    tick BIGINT NOT NULL,
    run_id TEXT COLLATE "C",
    outcome TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, tick)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

CREATE INDEX cloaca_tick_created ON cloaca_tick (created_at);

-- Ticks that the policy dropped, counted: a schedule of every second may miss a million.
CREATE TABLE cloaca_lost (
    schedule_id TEXT COLLATE "C" NOT NULL,
    decided_until BIGINT NOT NULL,
    ticks BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, decided_until)
);

CREATE INDEX cloaca_lost_created ON cloaca_lost (created_at);

-- Event triggers and the events that they found. The key of an event outlives its run: whoever finds
-- the event again finds it taken.
CREATE TABLE cloaca_trigger (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    workflow TEXT COLLATE "C",
    poll_interval_ms BIGINT,
    cron_expression TEXT,
    timezone TEXT,
    allow_concurrent INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    last_poll_at BIGINT,
    next_poll_at BIGINT,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX cloaca_trigger_name ON cloaca_trigger (name);

CREATE TABLE cloaca_event (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    trigger_id TEXT COLLATE "C" NOT NULL,
    event_key TEXT COLLATE "C",
    context_hash TEXT NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX cloaca_event_key ON cloaca_event (trigger_id, event_key)
WHERE event_key IS NOT NULL;

CREATE INDEX cloaca_event_of_trigger ON cloaca_event (trigger_id, created_at, id);

-- Trees that are being deleted: no view shows any of their runs.
CREATE TABLE cloaca_tombstone (
    root_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hidden_at BIGINT NOT NULL
);

-- Its one row says who prunes (until held_until, unless that is renewed), and when that is due next.
-- keeps_all: 1 if an earlier version made this database: nothing is pruned unless it is asked for.
CREATE TABLE cloaca_upkeep (
    id BIGINT NOT NULL PRIMARY KEY,
    keeps_all BIGINT NOT NULL,
    holder TEXT COLLATE "C",
    held_until BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);

-- For people with a shell: rows with readable instants, here and in the other views.
CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    to_timestamp(created_at / 1000000.0) AS created_at,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    input,
    coalesce(final_context, CASE WHEN ended_at IS NOT NULL THEN input END) AS final_context,
    version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason, queue, child_kind, singleton_key
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);

CREATE VIEW cloaca_attempt_readable AS
SELECT
    run_id, task_id, item, attempt, status, error_type, error_message, skip_reason,
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

-- Without the waits of runs that have ended.
CREATE VIEW cloaca_wait_readable AS
SELECT
    run_id, task_id, item, kind, name, number, attempt,
    to_timestamp(opened_at / 1000000.0) AS opened_at,
    to_timestamp(due_at / 1000000.0) AS due_at,
    timed_out, detail
FROM cloaca_wait
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL
);

CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    to_timestamp(sent_at / 1000000.0) AS sent_at,
    taken_by, taken_item
FROM cloaca_message
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_message.run_id
);

-- A row for each line.
CREATE VIEW cloaca_task_log_readable AS
SELECT
    log.run_id, log.task_id, log.item, log.attempt, log.number + line.place - 1 AS number,
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

-- The one row of cloaca_upkeep.
INSERT INTO cloaca_upkeep (id, keeps_all, holder, held_until, due_at)
VALUES (1, 0, NULL, 0, 0);
