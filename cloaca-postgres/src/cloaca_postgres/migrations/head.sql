-- The schema of a new database, as the migrations leave it. Do not edit this: when they
-- have changed, run `python tasks.py head`.
-- Made from migrations 1 to 12, digest 9025c86c41b4ad5cd973b75e1b0f2c002425a4e980848cd637af0771fc81b1c3

CREATE TABLE cloaca_migration (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (number)
);

CREATE TABLE cloaca_runner (
    id text COLLATE "C" NOT NULL,
    boot_id text NOT NULL,
    pid_namespace text NOT NULL,
    pid bigint NOT NULL,
    process_start bigint NOT NULL,
    beat bigint NOT NULL,
    lease_until bigint NOT NULL,
    fenced integer NOT NULL,
    started_at bigint NOT NULL,
    protocol integer NOT NULL,
    draining_since bigint,
    idle_since bigint,
    number bigint,
    sharing text,
    queues text COLLATE "C",
    CHECK ((protocol >= 3)),
    PRIMARY KEY (id),
    CHECK ((protocol >= 4))
);

CREATE TABLE cloaca_runner_name (
    number bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    host text NOT NULL,
    process bigint NOT NULL,
    gone_at bigint,
    PRIMARY KEY (number)
);

CREATE TABLE cloaca_unserved (
    runner_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    tasks text NOT NULL,
    PRIMARY KEY (runner_id, run_id)
);

CREATE TABLE cloaca_run (
    id text COLLATE "C" NOT NULL,
    workflow text COLLATE "C" NOT NULL,
    version text NOT NULL,
    status text COLLATE "C" NOT NULL,
    owner text COLLATE "C",
    epoch bigint NOT NULL,
    recoveries bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    parent_id text COLLATE "C",
    idempotency_key text COLLATE "C",
    tags text NOT NULL,
    error_message text,
    input text NOT NULL,
    final_context text,
    schedule_id text COLLATE "C",
    behind text COLLATE "C",
    context_hash text COLLATE "C",
    reason_code text,
    limit_seconds bigint,
    priority bigint NOT NULL DEFAULT 0,
    claimable_at bigint NOT NULL DEFAULT 0,
    due_at bigint,
    start_by bigint,
    came_due integer NOT NULL DEFAULT 0,
    round bigint NOT NULL DEFAULT 1,
    cancel_at bigint,
    paused_at bigint,
    paused_until bigint,
    stood_still bigint NOT NULL DEFAULT 0,
    steer_reason text,
    detached integer NOT NULL DEFAULT 0,
    children_at bigint,
    time_limit bigint,
    deadline_at bigint,
    reason_tasks text,
    pause_id text COLLATE "C",
    paused_with text COLLATE "C",
    pause_follows integer,
    follows text COLLATE "C",
    follows_round bigint,
    follows_place bigint,
    replacements integer NOT NULL DEFAULT 0,
    root_id text COLLATE "C",
    cancels_children integer,
    messages bigint NOT NULL DEFAULT 0,
    rests_since bigint,
    trace text,
    ran_version text,
    queue text COLLATE "C" NOT NULL DEFAULT 'default'::text,
    child_kind text COLLATE "C",
    singleton_key text COLLATE "C",
    asked_queue text COLLATE "C",
    overdue_at bigint,
    PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000,
    toast.autovacuum_vacuum_scale_factor=0.02,
    toast.autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_run_tag (
    run_id text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, tag)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_attempt (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    epoch bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    started_at bigint,
    ended_at bigint,
    retry_at bigint,
    crashes bigint NOT NULL,
    error_type text,
    error_message text,
    skip_reason text,
    change text,
    error_traceback text,
    reason_code text,
    replacements integer NOT NULL DEFAULT 0,
    runner bigint,
    item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, task_id, item, attempt)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000,
    toast.autovacuum_vacuum_scale_factor=0.02,
    toast.autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_restart (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    first_attempt bigint NOT NULL,
    round bigint NOT NULL,
    with_children integer NOT NULL DEFAULT 0,
    item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, task_id, item, first_attempt)
);

CREATE TABLE cloaca_round (
    run_id text COLLATE "C" NOT NULL,
    round bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    error_message text,
    reason_code text,
    limit_seconds bigint,
    final_context text,
    started_at bigint,
    ended_at bigint NOT NULL,
    PRIMARY KEY (run_id, round)
);

CREATE TABLE cloaca_replacement (
    run_id text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    content text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (run_id, number)
);

CREATE TABLE cloaca_fork (
    run_id text COLLATE "C" NOT NULL,
    forked_from text COLLATE "C" NOT NULL,
    from_task text COLLATE "C" NOT NULL,
    content text,
    created_at bigint NOT NULL,
    from_item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, from_task, from_item)
);

CREATE TABLE cloaca_memo (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    input_hash text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    value text NOT NULL,
    calls bigint NOT NULL,
    created_at bigint NOT NULL,
    item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000,
    toast.autovacuum_vacuum_scale_factor=0.02,
    toast.autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_wait (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    attempt bigint NOT NULL,
    input_hash text COLLATE "C" NOT NULL,
    opened_at bigint NOT NULL,
    due_at bigint,
    detail text NOT NULL,
    timed_out bigint NOT NULL,
    item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, task_id, item, kind, name, number)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_message (
    run_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    number bigint,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    payload text NOT NULL,
    dedupe_key text COLLATE "C",
    sent_by text,
    sent_at bigint NOT NULL,
    taken_by text COLLATE "C",
    taken_item bigint NOT NULL DEFAULT '-1'::integer,
    for_task text COLLATE "C",
    for_item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, id)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000,
    toast.autovacuum_vacuum_scale_factor=0.02,
    toast.autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_task_log (
    run_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    number bigint NOT NULL,
    size bigint NOT NULL,
    lines text NOT NULL,
    item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, "position")
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000,
    toast.autovacuum_vacuum_scale_factor=0.02,
    toast.autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_progress (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    done double precision NOT NULL,
    total double precision,
    detail text,
    told_at bigint NOT NULL,
    item bigint NOT NULL DEFAULT '-1'::integer,
    PRIMARY KEY (run_id, task_id, item, attempt)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_act (
    id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    workflow text COLLATE "C" NOT NULL,
    round bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    asked_by text NOT NULL,
    reason text,
    changed integer NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (run_id, id)
);

CREATE TABLE cloaca_paused_workflow (
    workflow text COLLATE "C" NOT NULL,
    paused_at bigint NOT NULL,
    paused_until bigint,
    PRIMARY KEY (workflow)
);

CREATE TABLE cloaca_definition (
    workflow text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    content text NOT NULL,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (workflow, version)
);

CREATE TABLE cloaca_workflow (
    workflow text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    short_name text COLLATE "C" NOT NULL,
    retention bigint,
    queue text COLLATE "C" NOT NULL DEFAULT 'default'::text,
    PRIMARY KEY (workflow)
);

CREATE TABLE cloaca_when_ended (
    workflow text COLLATE "C" NOT NULL,
    version text NOT NULL,
    place bigint NOT NULL,
    status text NOT NULL,
    submits text NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (workflow, version, place, status)
);

CREATE TABLE cloaca_schedule (
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    workflow text COLLATE "C" NOT NULL,
    cron_expression text NOT NULL,
    timezone text NOT NULL,
    enabled integer NOT NULL,
    catchup_policy text NOT NULL,
    overlap_policy text NOT NULL,
    jitter_seconds bigint NOT NULL,
    start_date bigint,
    end_date bigint,
    params text NOT NULL,
    decided_until bigint NOT NULL,
    next_tick bigint,
    due_at bigint,
    last_tick bigint,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    time_limit bigint,
    pruned_until bigint,
    queue text COLLATE "C",
    PRIMARY KEY (id)
);

CREATE TABLE cloaca_tick (
    schedule_id text COLLATE "C" NOT NULL,
    tick bigint NOT NULL,
    run_id text COLLATE "C",
    outcome text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (schedule_id, tick)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_lost (
    schedule_id text COLLATE "C" NOT NULL,
    decided_until bigint NOT NULL,
    ticks bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (schedule_id, decided_until)
);

CREATE TABLE cloaca_trigger (
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    workflow text COLLATE "C",
    poll_interval_ms bigint,
    cron_expression text,
    timezone text,
    allow_concurrent integer NOT NULL,
    enabled integer NOT NULL,
    last_poll_at bigint,
    next_poll_at bigint,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    last_error text COLLATE "C",
    failing_since bigint,
    failed_polls bigint NOT NULL DEFAULT 0,
    error_at bigint,
    PRIMARY KEY (id)
);

CREATE TABLE cloaca_event (
    id text COLLATE "C" NOT NULL,
    trigger_id text COLLATE "C" NOT NULL,
    event_key text COLLATE "C",
    context_hash text NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE cloaca_tombstone (
    root_id text COLLATE "C" NOT NULL,
    hidden_at bigint NOT NULL,
    PRIMARY KEY (root_id)
);

CREATE TABLE cloaca_upkeep (
    id bigint NOT NULL,
    keeps_all bigint NOT NULL,
    holder text COLLATE "C",
    held_until bigint NOT NULL,
    due_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE cloaca_map (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    epoch bigint NOT NULL,
    version text NOT NULL,
    items bigint NOT NULL,
    digest text NOT NULL,
    decision bigint NOT NULL,
    labels text,
    again text,
    PRIMARY KEY (run_id, task_id)
);

CREATE TABLE cloaca_queue (
    workflow text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (workflow, name)
);

CREATE TABLE cloaca_lost_runner (
    id text COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    pid bigint NOT NULL,
    host text COLLATE "C",
    queues text COLLATE "C",
    sharing text COLLATE "C",
    lost_at bigint NOT NULL,
    taken_over bigint NOT NULL,
    begun_again bigint NOT NULL,
    cancelled bigint NOT NULL,
    PRIMARY KEY (id, started_at)
);

CREATE TABLE cloaca_limit (
    name text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    changes text COLLATE "C" NOT NULL DEFAULT '{}'::text,
    family text COLLATE "C" NOT NULL,
    recorded_at bigint NOT NULL,
    changed_at bigint,
    changed_by text,
    PRIMARY KEY (name)
);

CREATE TABLE cloaca_limit_line (
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    held bigint NOT NULL,
    tat bigint NOT NULL,
    given bigint NOT NULL,
    opens_at bigint NOT NULL,
    first_rank bigint,
    first_at bigint,
    oldest_at bigint,
    edition bigint NOT NULL,
    keys_rank bigint,
    keys_at bigint,
    keys_oldest bigint,
    looked_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id, edition)
) WITH (
    fillfactor=50,
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_limit_waiter (
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    item bigint NOT NULL,
    line text COLLATE "C" NOT NULL,
    runner_id text COLLATE "C",
    rank bigint NOT NULL,
    since bigint NOT NULL,
    units bigint NOT NULL,
    needs text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, task_id, item)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE TABLE cloaca_limit_grant (
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    task_id text COLLATE "C" NOT NULL,
    item bigint NOT NULL,
    runner_id text COLLATE "C",
    needs text COLLATE "C" NOT NULL,
    given_at bigint NOT NULL,
    PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor=0.02,
    autovacuum_vacuum_threshold=2000
);

CREATE INDEX cloaca_unserved_run ON cloaca_unserved USING btree (run_id);

CREATE UNIQUE INDEX cloaca_run_key ON cloaca_run USING btree (workflow, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE INDEX cloaca_run_of_workflow ON cloaca_run USING btree (workflow, id);

CREATE INDEX cloaca_run_of_status ON cloaca_run USING btree (status, id);

CREATE INDEX cloaca_run_failed ON cloaca_run USING btree (ended_at, id) WHERE status = 'Failed'::text;

CREATE INDEX cloaca_run_owned ON cloaca_run USING btree (owner, workflow, id) WHERE owner IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_claimable ON cloaca_run USING btree (workflow, queue, priority DESC, claimable_at, id) WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL AND due_at IS NULL;

CREATE INDEX cloaca_run_behind ON cloaca_run USING btree (behind) WHERE behind IS NOT NULL;

CREATE INDEX cloaca_run_due ON cloaca_run USING btree (workflow, due_at, id) WHERE due_at < '4611686018427387904'::bigint AND owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_parked ON cloaca_run USING btree (workflow, claimable_at) WHERE due_at < '4611686018427387904'::bigint AND owner IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_start_by ON cloaca_run USING btree (start_by, id) WHERE start_by IS NOT NULL AND started_at IS NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_steered ON cloaca_run USING btree (owner) WHERE owner IS NOT NULL AND ended_at IS NULL AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL OR replacements > 0 OR messages > 0);

CREATE INDEX cloaca_run_paused_until ON cloaca_run USING btree (paused_until) WHERE paused_until IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_pause_follows ON cloaca_run USING btree (id) WHERE pause_follows IS NOT NULL;

CREATE INDEX cloaca_run_of_parent ON cloaca_run USING btree (parent_id, id) WHERE parent_id IS NOT NULL;

CREATE INDEX cloaca_run_child ON cloaca_run USING btree (parent_id, id) WHERE parent_id IS NOT NULL AND ended_at IS NULL AND detached = 0 AND cancel_at IS NULL;

CREATE INDEX cloaca_run_children_due ON cloaca_run USING btree (children_at, id) WHERE children_at IS NOT NULL;

CREATE INDEX cloaca_run_of_root ON cloaca_run USING btree (root_id, ended_at) WHERE root_id IS NOT NULL;

CREATE UNIQUE INDEX cloaca_run_follows ON cloaca_run USING btree (follows, follows_round, follows_place) WHERE follows IS NOT NULL;

CREATE INDEX cloaca_run_of_schedule ON cloaca_run USING btree (schedule_id, id) WHERE schedule_id IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_of_context ON cloaca_run USING btree (schedule_id, context_hash) WHERE context_hash IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_tag_content ON cloaca_run_tag USING btree (tag, content, run_id);

CREATE INDEX cloaca_wait_approval ON cloaca_wait USING btree (opened_at, run_id, task_id, item) WHERE kind = 'approval'::text AND timed_out = 0;

CREATE UNIQUE INDEX cloaca_message_unread ON cloaca_message USING btree (run_id, number) WHERE taken_by IS NULL;

CREATE INDEX cloaca_message_unnumbered ON cloaca_message USING btree (run_id) WHERE number IS NULL;

CREATE INDEX cloaca_message_key ON cloaca_message USING btree (run_id, kind, name, dedupe_key) WHERE dedupe_key IS NOT NULL;

CREATE INDEX cloaca_act_newest ON cloaca_act USING btree (created_at, id) WHERE created_at >= 0;

CREATE INDEX cloaca_act_asked ON cloaca_act USING btree (created_at, id) WHERE kind <> 'submit'::text;

CREATE INDEX cloaca_act_by ON cloaca_act USING btree (asked_by, run_id);

CREATE INDEX cloaca_act_of_person ON cloaca_act USING btree (asked_by, kind, created_at, id, run_id);

CREATE INDEX cloaca_act_of_kind ON cloaca_act USING btree (kind, created_at, id, run_id);

CREATE INDEX cloaca_workflow_name ON cloaca_workflow USING btree (name);

CREATE INDEX cloaca_workflow_short_name ON cloaca_workflow USING btree (short_name);

CREATE UNIQUE INDEX cloaca_schedule_name ON cloaca_schedule USING btree (name);

CREATE INDEX cloaca_schedule_of_workflow ON cloaca_schedule USING btree (workflow, id);

CREATE INDEX cloaca_schedule_due ON cloaca_schedule USING btree (workflow, due_at) WHERE enabled = 1 AND due_at IS NOT NULL;

CREATE INDEX cloaca_tick_created ON cloaca_tick USING btree (created_at);

CREATE INDEX cloaca_lost_created ON cloaca_lost USING btree (created_at);

CREATE UNIQUE INDEX cloaca_trigger_name ON cloaca_trigger USING btree (name);

CREATE UNIQUE INDEX cloaca_event_key ON cloaca_event USING btree (trigger_id, event_key) WHERE event_key IS NOT NULL;

CREATE INDEX cloaca_event_of_trigger ON cloaca_event USING btree (trigger_id, created_at, id);

CREATE INDEX cloaca_run_overdue ON cloaca_run USING btree (workflow, queue, overdue_at) WHERE overdue_at IS NOT NULL AND owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL AND due_at IS NULL;

CREATE INDEX cloaca_run_of_singleton ON cloaca_run USING btree (workflow, singleton_key, created_at, id) WHERE singleton_key IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_limit_family ON cloaca_limit USING btree (family);

CREATE INDEX cloaca_limit_line_rank ON cloaca_limit_line USING btree (name, first_rank, first_at) WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> ''::text;

CREATE INDEX cloaca_limit_line_age ON cloaca_limit_line USING btree (name, oldest_at) WHERE first_at IS NOT NULL AND opens_at = 0 AND key <> ''::text;

CREATE INDEX cloaca_limit_line_opens ON cloaca_limit_line USING btree (name, opens_at) WHERE first_at IS NOT NULL AND opens_at > 0 AND key <> ''::text;

CREATE INDEX cloaca_limit_waiter_rank ON cloaca_limit_waiter USING btree (line, rank, since, run_id, task_id, item);

CREATE INDEX cloaca_limit_waiter_age ON cloaca_limit_waiter USING btree (line, since, run_id, task_id, item);

CREATE INDEX cloaca_limit_waiter_runner ON cloaca_limit_waiter USING btree (runner_id);

CREATE INDEX cloaca_limit_grant_run ON cloaca_limit_grant USING btree (run_id) WHERE task_id = ''::text OR runner_id IS NULL;

CREATE INDEX cloaca_limit_grant_runner ON cloaca_limit_grant USING btree (runner_id, name, number);

CREATE VIEW cloaca_run_readable AS
SELECT cloaca_run.id,
    cloaca_run.workflow,
    cloaca_run.status,
    cloaca_run.error_message,
    cloaca_run.tags,
    to_timestamp((cloaca_run.created_at::numeric / 1000000.0)::double precision) AS created_at,
    to_timestamp((cloaca_run.started_at::numeric / 1000000.0)::double precision) AS started_at,
    to_timestamp((cloaca_run.ended_at::numeric / 1000000.0)::double precision) AS ended_at,
    (cloaca_run.ended_at - cloaca_run.started_at)::numeric / 1000000.0 AS seconds,
    cloaca_run.input,
    COALESCE(cloaca_run.final_context,
        CASE
            WHEN cloaca_run.ended_at IS NOT NULL THEN cloaca_run.input
            ELSE NULL::text
        END) AS final_context,
    cloaca_run.version,
    cloaca_run.owner,
    cloaca_run.epoch,
    cloaca_run.recoveries,
    cloaca_run.parent_id,
    cloaca_run.idempotency_key,
    cloaca_run.round,
    cloaca_run.priority,
    cloaca_run.steer_reason,
    cloaca_run.queue,
    cloaca_run.child_kind,
    cloaca_run.singleton_key,
        CASE
            WHEN cloaca_run.started_at IS NOT NULL THEN COALESCE(cloaca_run.ran_version, cloaca_run.version)
            ELSE NULL::text
        END AS ran_version
   FROM cloaca_run
  WHERE NOT (EXISTS ( SELECT 1
           FROM cloaca_tombstone gone
          WHERE gone.root_id = COALESCE(cloaca_run.root_id, cloaca_run.id)));

CREATE VIEW cloaca_attempt_readable AS
SELECT cloaca_attempt.run_id,
    cloaca_attempt.task_id,
    cloaca_attempt.item,
    cloaca_attempt.attempt,
    cloaca_attempt.status,
    cloaca_attempt.error_type,
    cloaca_attempt.error_message,
    cloaca_attempt.skip_reason,
    to_timestamp((cloaca_attempt.started_at::numeric / 1000000.0)::double precision) AS started_at,
    to_timestamp((cloaca_attempt.ended_at::numeric / 1000000.0)::double precision) AS ended_at,
    to_timestamp((cloaca_attempt.retry_at::numeric / 1000000.0)::double precision) AS retry_at,
    (cloaca_attempt.ended_at - cloaca_attempt.started_at)::numeric / 1000000.0 AS seconds,
    cloaca_attempt.change,
    cloaca_attempt.error_traceback,
    cloaca_attempt.crashes,
    cloaca_attempt.epoch,
    ran_in.id AS runner,
    ran_in.process,
    ran_in.host
   FROM cloaca_attempt
     LEFT JOIN cloaca_runner_name ran_in ON ran_in.number = cloaca_attempt.runner AND cloaca_attempt.attempt > 0
  WHERE NOT (EXISTS ( SELECT 1
           FROM cloaca_tombstone gone
             JOIN cloaca_run run ON gone.root_id = COALESCE(run.root_id, run.id)
          WHERE run.id = cloaca_attempt.run_id));

CREATE VIEW cloaca_wait_readable AS
SELECT cloaca_wait.run_id,
    cloaca_wait.task_id,
    cloaca_wait.item,
    cloaca_wait.kind,
    cloaca_wait.name,
    cloaca_wait.number,
    cloaca_wait.attempt,
    to_timestamp((cloaca_wait.opened_at::numeric / 1000000.0)::double precision) AS opened_at,
    to_timestamp((cloaca_wait.due_at::numeric / 1000000.0)::double precision) AS due_at,
    cloaca_wait.timed_out,
    cloaca_wait.detail
   FROM cloaca_wait
  WHERE (EXISTS ( SELECT 1
           FROM cloaca_run run
          WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL));

CREATE VIEW cloaca_task_log_readable AS
SELECT log.run_id,
    log.task_id,
    log.item,
    log.attempt,
    log.number + line.place - 1 AS number,
    to_timestamp((((line.items ->> 0)::bigint)::numeric / 1000000.0)::double precision) AS logged_at,
    line.items ->> 1 AS level,
    line.items ->> 2 AS logger,
    line.items ->> 3 AS message,
    line.items ->> 4 AS fields,
    log."position" - log.size + line.place AS "position"
   FROM cloaca_task_log log,
    LATERAL json_array_elements(log.lines::json) WITH ORDINALITY line(items, place)
  WHERE NOT (EXISTS ( SELECT 1
           FROM cloaca_tombstone gone
             JOIN cloaca_run run ON gone.root_id = COALESCE(run.root_id, run.id)
          WHERE run.id = log.run_id));

CREATE VIEW cloaca_message_readable AS
SELECT cloaca_message.run_id,
    cloaca_message.number,
    cloaca_message.id,
    cloaca_message.kind,
    cloaca_message.name,
    cloaca_message.payload,
    cloaca_message.dedupe_key,
    cloaca_message.sent_by,
    to_timestamp((cloaca_message.sent_at::numeric / 1000000.0)::double precision) AS sent_at,
    cloaca_message.taken_by,
    cloaca_message.taken_item,
    cloaca_message.for_task,
    cloaca_message.for_item
   FROM cloaca_message
  WHERE NOT (EXISTS ( SELECT 1
           FROM cloaca_tombstone gone
             JOIN cloaca_run run ON gone.root_id = COALESCE(run.root_id, run.id)
          WHERE run.id = cloaca_message.run_id));

INSERT INTO cloaca_upkeep (id, keeps_all, holder, held_until, due_at)
VALUES (1, 0, NULL, 0, 0);
