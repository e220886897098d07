-- The schema of a new database, as the migrations leave it. Do not edit this: when they
-- have changed, run `python tasks.py head`.
-- Made from migrations 1 to 12, digest ca7868912d8b6c2a6b9904ec3d3e1ac676a7387b18b8de0ef8d19bf8a798cd3c

PRAGMA application_id = 1668050785;

CREATE TABLE cloaca_migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

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
    protocol INTEGER NOT NULL CHECK (protocol >= 3),
    draining_since INTEGER,
    idle_since INTEGER,
    number INTEGER,
    sharing TEXT
, queues TEXT CHECK (protocol >= 4)) STRICT, WITHOUT ROWID;

CREATE TABLE cloaca_runner_name (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    gone_at INTEGER
) STRICT;

CREATE TABLE cloaca_listener (
    path TEXT NOT NULL PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    noted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cloaca_unserved (
    runner_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    tasks TEXT NOT NULL,
    PRIMARY KEY (runner_id, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_unserved_run ON cloaca_unserved (run_id);

CREATE TABLE cloaca_run (
    id TEXT NOT NULL PRIMARY KEY,
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    status TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    recoveries INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    parent_id TEXT,
    idempotency_key TEXT,
    tags TEXT NOT NULL,
    error_message TEXT,
    input TEXT NOT NULL,
    final_context TEXT,
    schedule_id TEXT,
    behind TEXT,
    context_hash TEXT,
    reason_code TEXT,
    limit_seconds INTEGER,
    priority INTEGER NOT NULL DEFAULT 0,
    claimable_at INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    start_by INTEGER,
    came_due INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 1,
    cancel_at INTEGER,
    paused_at INTEGER,
    paused_until INTEGER,
    stood_still INTEGER NOT NULL DEFAULT 0,
    steer_reason TEXT,
    detached INTEGER NOT NULL DEFAULT 0,
    children_at INTEGER,
    time_limit INTEGER,
    deadline_at INTEGER,
    reason_tasks TEXT,
    pause_id TEXT,
    paused_with TEXT,
    pause_follows INTEGER,
    follows TEXT,
    follows_round INTEGER,
    follows_place INTEGER,
    replacements INTEGER NOT NULL DEFAULT 0,
    root_id TEXT,
    cancels_children INTEGER,
    messages INTEGER NOT NULL DEFAULT 0,
    rests_since INTEGER,
    trace TEXT,
    ran_version TEXT,
    queue TEXT NOT NULL DEFAULT 'default',
    child_kind TEXT,
    singleton_key TEXT
, asked_queue TEXT, overdue_at INTEGER) STRICT;

CREATE UNIQUE INDEX cloaca_run_key ON cloaca_run (workflow, idempotency_key)
WHERE idempotency_key IS NOT NULL;

CREATE INDEX cloaca_run_of_workflow ON cloaca_run (workflow, id);

CREATE INDEX cloaca_run_of_status ON cloaca_run (status, id) WHERE ended_at IS NOT NULL;

CREATE INDEX cloaca_run_failed ON cloaca_run (ended_at, id) WHERE status = 'Failed';

CREATE INDEX cloaca_run_owned ON cloaca_run (owner, workflow, id, status)
WHERE owner IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_claimable
ON cloaca_run (workflow, queue, priority DESC, claimable_at, id, status)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

CREATE INDEX cloaca_run_held ON cloaca_run (status, id, workflow)
WHERE owner IS NULL AND ended_at IS NULL
    AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL);

CREATE INDEX cloaca_run_woken ON cloaca_run (status, id, workflow)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL AND status <> 'Pending';

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

CREATE INDEX cloaca_run_of_context ON cloaca_run (schedule_id, context_hash)
WHERE context_hash IS NOT NULL AND ended_at IS NULL;

CREATE TABLE cloaca_payload (
    run_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (run_id, round)
) STRICT;

CREATE TABLE cloaca_run_tag (
    run_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (run_id, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_run_tag_content ON cloaca_run_tag (tag, content, run_id);

CREATE TABLE cloaca_attempt (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    retry_at INTEGER,
    crashes INTEGER NOT NULL,
    error_type TEXT,
    error_message TEXT,
    skip_reason TEXT,
    change TEXT,
    error_traceback TEXT,
    reason_code TEXT,
    replacements INTEGER NOT NULL DEFAULT 0,
    runner INTEGER,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, attempt)
) STRICT;

CREATE TABLE cloaca_restart (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    first_attempt INTEGER NOT NULL,
    round INTEGER NOT NULL,
    with_children INTEGER NOT NULL DEFAULT 0,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, first_attempt)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE cloaca_replacement (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT;

CREATE TABLE cloaca_fork (
    run_id TEXT NOT NULL,
    forked_from TEXT NOT NULL,
    from_task TEXT NOT NULL,
    content TEXT,
    created_at INTEGER NOT NULL,
    from_item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, from_task, from_item)
) STRICT, WITHOUT ROWID;

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
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) STRICT;

CREATE TABLE cloaca_wait (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    input_hash TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    due_at INTEGER,
    detail TEXT NOT NULL,
    timed_out INTEGER NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_wait_approval ON cloaca_wait (opened_at, run_id, task_id, item)
WHERE kind = 'approval' AND timed_out = 0;

CREATE TABLE cloaca_message (
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    dedupe_key TEXT,
    sent_by TEXT,
    sent_at INTEGER NOT NULL,
    taken_by TEXT,
    taken_item INTEGER NOT NULL DEFAULT -1, for_task TEXT, for_item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, id)
) STRICT;

CREATE UNIQUE INDEX cloaca_message_unread ON cloaca_message (run_id, number) WHERE taken_by IS NULL;

CREATE INDEX cloaca_message_unnumbered ON cloaca_message (run_id) WHERE number IS NULL;

CREATE INDEX cloaca_message_key ON cloaca_message (run_id, kind, name, dedupe_key)
WHERE dedupe_key IS NOT NULL;

CREATE TABLE cloaca_task_log (
    run_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    lines TEXT NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, position)
) STRICT;

CREATE TABLE cloaca_progress (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    done REAL NOT NULL,
    total REAL,
    detail TEXT,
    told_at INTEGER NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (run_id, task_id, item, attempt)
) STRICT;

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

CREATE INDEX cloaca_act_asked ON cloaca_act (created_at, id) WHERE kind <> 'submit';

CREATE INDEX cloaca_act_by ON cloaca_act (asked_by, run_id);

CREATE INDEX cloaca_act_of_person ON cloaca_act (asked_by, kind, created_at, id, run_id);

CREATE INDEX cloaca_act_of_kind ON cloaca_act (kind, created_at, id, run_id);

CREATE TABLE cloaca_paused_workflow (
    workflow TEXT NOT NULL PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    paused_until INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE cloaca_definition (
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (workflow, version)
) STRICT;

CREATE TABLE cloaca_workflow (
    workflow TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    short_name TEXT NOT NULL,
    retention INTEGER,
    queue TEXT NOT NULL DEFAULT 'default'
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_workflow_name ON cloaca_workflow (name);

CREATE INDEX cloaca_workflow_short_name ON cloaca_workflow (short_name);

CREATE TABLE cloaca_when_ended (
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    place INTEGER NOT NULL,
    status TEXT NOT NULL,
    submits TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (workflow, version, place, status)
) STRICT;

CREATE TABLE cloaca_schedule (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    workflow TEXT NOT NULL,
    cron_expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    catchup_policy TEXT NOT NULL,
    overlap_policy TEXT NOT NULL,
    jitter_seconds INTEGER NOT NULL,
    start_date INTEGER,
    end_date INTEGER,
    params TEXT NOT NULL,
    decided_until INTEGER NOT NULL,
    next_tick INTEGER,
    due_at INTEGER,
    last_tick INTEGER,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    time_limit INTEGER,
    pruned_until INTEGER
, queue TEXT) STRICT;

CREATE UNIQUE INDEX cloaca_schedule_name ON cloaca_schedule (name);

CREATE INDEX cloaca_schedule_of_workflow ON cloaca_schedule (workflow, id);

CREATE INDEX cloaca_schedule_due ON cloaca_schedule (workflow, due_at)
WHERE enabled = 1 AND due_at IS NOT NULL;

CREATE TABLE cloaca_tick (
    schedule_id TEXT NOT NULL,
    tick INTEGER NOT NULL,
    run_id TEXT,
    outcome TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, tick)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_tick_created ON cloaca_tick (created_at);

CREATE TABLE cloaca_lost (
    schedule_id TEXT NOT NULL,
    decided_until INTEGER NOT NULL,
    ticks INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, decided_until)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_lost_created ON cloaca_lost (created_at);

CREATE TABLE cloaca_trigger (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    workflow TEXT,
    poll_interval_ms INTEGER,
    cron_expression TEXT,
    timezone TEXT,
    allow_concurrent INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    last_poll_at INTEGER,
    next_poll_at INTEGER,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
, last_error TEXT, failing_since INTEGER, failed_polls INTEGER NOT NULL DEFAULT 0, error_at INTEGER) STRICT;

CREATE UNIQUE INDEX cloaca_trigger_name ON cloaca_trigger (name);

CREATE TABLE cloaca_event (
    id TEXT NOT NULL PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    event_key TEXT,
    context_hash TEXT NOT NULL,
    run_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX cloaca_event_key ON cloaca_event (trigger_id, event_key)
WHERE event_key IS NOT NULL;

CREATE INDEX cloaca_event_of_trigger ON cloaca_event (trigger_id, created_at, id);

CREATE TABLE cloaca_tombstone (
    root_id TEXT NOT NULL PRIMARY KEY,
    hidden_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cloaca_upkeep (
    id INTEGER NOT NULL PRIMARY KEY,
    keeps_all INTEGER NOT NULL,
    holder TEXT,
    held_until INTEGER NOT NULL,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE VIEW cloaca_wait_readable AS
SELECT
    run_id, task_id, item, kind, name, number, attempt,
    strftime('%Y-%m-%dT%H:%M:%S', opened_at / 1000000, 'unixepoch')
        || printf('.%06dZ', opened_at % 1000000) AS opened_at,
    strftime('%Y-%m-%dT%H:%M:%S', due_at / 1000000, 'unixepoch')
        || printf('.%06dZ', due_at % 1000000) AS due_at,
    timed_out, detail
FROM cloaca_wait
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL
);

CREATE VIEW cloaca_task_log_readable AS
SELECT
    log.run_id, log.task_id, log.item, log.attempt, log.number + line.key AS number,
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
    CASE input WHEN '' THEN (
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = cloaca_run.id AND beside.round = 0
    ) ELSE input END AS input,
    CASE
        WHEN final_context <> '' THEN final_context
        WHEN ended_at IS NOT NULL THEN coalesce((
            SELECT beside.content FROM cloaca_payload AS beside
            WHERE beside.run_id = cloaca_run.id
                AND beside.round = iif(final_context = '', cloaca_run.round, 0)
        ), input)
    END AS final_context,
    version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason, queue, child_kind, singleton_key,
    CASE WHEN started_at IS NOT NULL THEN coalesce(ran_version, version) END AS ran_version
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);

CREATE VIEW cloaca_attempt_readable AS
SELECT
    run_id, task_id, item, attempt, status, error_type, error_message, skip_reason,
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch')
        || printf('.%06dZ', started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_at % 1000000) AS ended_at,
    strftime('%Y-%m-%dT%H:%M:%S', retry_at / 1000000, 'unixepoch')
        || printf('.%06dZ', retry_at % 1000000) AS retry_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    change, error_traceback, crashes, epoch,
    ran_in.id AS runner, ran_in.process, ran_in.host
FROM cloaca_attempt
LEFT JOIN cloaca_runner_name AS ran_in
    ON ran_in.number = cloaca_attempt.runner AND cloaca_attempt.attempt > 0
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_attempt.run_id
);

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

CREATE INDEX cloaca_run_overdue ON cloaca_run (workflow, queue, overdue_at)
WHERE overdue_at IS NOT NULL AND owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

CREATE TABLE cloaca_queue (
    workflow TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (workflow, name)
) STRICT, WITHOUT ROWID;

CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    strftime('%Y-%m-%dT%H:%M:%S', sent_at / 1000000, 'unixepoch')
        || printf('.%06dZ', sent_at % 1000000) AS sent_at,
    taken_by, taken_item, for_task, for_item
FROM cloaca_message
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_message.run_id
);

CREATE TABLE cloaca_lost_runner (
    id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT,
    queues TEXT,
    sharing TEXT,
    lost_at INTEGER NOT NULL,
    taken_over INTEGER NOT NULL,
    begun_again INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (id, started_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_run_of_singleton ON cloaca_run (workflow, singleton_key, created_at, id)
WHERE singleton_key IS NOT NULL AND ended_at IS NULL;

CREATE TABLE cloaca_limit (
    name TEXT NOT NULL PRIMARY KEY,
    content TEXT NOT NULL,
    changes TEXT NOT NULL DEFAULT '{}',
    family TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    changed_at INTEGER,
    changed_by TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_limit_family ON cloaca_limit (family);

CREATE TABLE cloaca_limit_line (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    held INTEGER NOT NULL,
    tat INTEGER NOT NULL,
    given INTEGER NOT NULL,
    opens_at INTEGER NOT NULL,
    first_rank INTEGER,
    first_at INTEGER,
    oldest_at INTEGER,
    edition INTEGER NOT NULL
, keys_rank INTEGER, keys_at INTEGER, keys_oldest INTEGER, looked_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_limit_line_rank ON cloaca_limit_line (name, first_rank, first_at)
WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> '';

CREATE INDEX cloaca_limit_line_age ON cloaca_limit_line (name, oldest_at)
WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> '';

CREATE INDEX cloaca_limit_line_opens ON cloaca_limit_line (name, opens_at)
WHERE first_at IS NOT NULL AND opens_at > 0 AND key <> '';

CREATE TABLE cloaca_limit_waiter (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    item INTEGER NOT NULL,
    line TEXT NOT NULL,
    runner_id TEXT,
    rank INTEGER NOT NULL,
    since INTEGER NOT NULL,
    units INTEGER NOT NULL,
    needs TEXT NOT NULL,
    PRIMARY KEY (run_id, task_id, item)
) STRICT;

CREATE INDEX cloaca_limit_waiter_rank ON cloaca_limit_waiter (
    line, rank, since, run_id, task_id, item
);

CREATE INDEX cloaca_limit_waiter_age ON cloaca_limit_waiter (line, since, run_id, task_id, item);

CREATE INDEX cloaca_limit_waiter_runner ON cloaca_limit_waiter (runner_id);

CREATE TABLE cloaca_limit_grant (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    item INTEGER NOT NULL,
    runner_id TEXT,
    needs TEXT NOT NULL,
    given_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_limit_grant_run ON cloaca_limit_grant (run_id)
WHERE task_id = '' OR runner_id IS NULL;

CREATE INDEX cloaca_limit_grant_runner ON cloaca_limit_grant (runner_id, name, number);

INSERT INTO cloaca_upkeep (id, keeps_all, holder, held_until, due_at)
VALUES (1, 0, NULL, 0, 0);
