-- Whole tables as PostgreSQL writes them: each statement writes many rows, as in runs.sql; and
-- the one key that is not stored in the order of bytes is read in it.


-- name: put_tombstone
-- Write roots of trees that were pruned.
INSERT INTO cloaca_tombstone (
    root_id, hidden_at
)
SELECT * FROM unnest(
    CAST(:root_id AS TEXT[]), CAST(:hidden_at AS BIGINT[])
);


-- name: put_runner_name
-- Write names of runners that are not there yet.
INSERT INTO cloaca_runner_name (
    number, id, host, process, gone_at
)
SELECT * FROM unnest(
    CAST(:number AS BIGINT[]), CAST(:id AS TEXT[]), CAST(:host AS TEXT[]),
    CAST(:process AS BIGINT[]), CAST(:gone_at AS BIGINT[])
)
ON CONFLICT (number) DO NOTHING;


-- name: put_paused_workflow
-- Write pauses of workflows.
INSERT INTO cloaca_paused_workflow (
    workflow, paused_at, paused_until
)
SELECT * FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:paused_at AS BIGINT[]), CAST(:paused_until AS BIGINT[])
);


-- name: put_definition
-- Write recorded definitions.
INSERT INTO cloaca_definition (
    workflow, version, name, content, recorded_at
)
SELECT * FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:content AS TEXT[]), CAST(:recorded_at AS BIGINT[])
);


-- name: put_workflow
-- Write newest versions of workflows.
INSERT INTO cloaca_workflow (
    workflow, version, name, short_name, retention, queue
)
SELECT * FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]), CAST(:name AS TEXT[]),
    CAST(:short_name AS TEXT[]), CAST(:retention AS BIGINT[]), CAST(:queue AS TEXT[])
);


-- name: page_when_ended
-- Read what follows the ends of runs after a key, in the order of bytes.
SELECT
    workflow, version, place, status, submits, content
FROM cloaca_when_ended
WHERE (workflow, version COLLATE "C", place, status COLLATE "C")
    > (:workflow, :version, :place, :status)
ORDER BY workflow, version COLLATE "C", place, status COLLATE "C"
LIMIT :limit;


-- name: last_when_ended
-- Read the last key of what follows the ends of runs, in the order of bytes.
SELECT workflow, version, place, status FROM cloaca_when_ended
ORDER BY workflow DESC, version COLLATE "C" DESC, place DESC, status COLLATE "C" DESC
LIMIT 1;


-- name: put_when_ended
-- Write what follows the ends of runs.
INSERT INTO cloaca_when_ended (
    workflow, version, place, status, submits, content
)
SELECT * FROM unnest(
    CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]), CAST(:place AS BIGINT[]),
    CAST(:status AS TEXT[]), CAST(:submits AS TEXT[]), CAST(:content AS TEXT[])
);


-- name: put_run
-- Write runs, with their payloads.
INSERT INTO cloaca_run (
    id, workflow, version, status, owner, epoch, recoveries, created_at, started_at, ended_at,
    parent_id, idempotency_key, tags, error_message, input, final_context, schedule_id, behind,
    context_hash, reason_code, limit_seconds, priority, claimable_at, due_at, start_by, came_due,
    round, cancel_at, paused_at, paused_until, stood_still, steer_reason, detached, children_at,
    time_limit, deadline_at, reason_tasks, pause_id, paused_with, pause_follows, follows,
    follows_round, follows_place, replacements, root_id, cancels_children, messages, rests_since,
    trace, ran_version, queue, child_kind, singleton_key
)
SELECT * FROM unnest(
    CAST(:id AS TEXT[]), CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]),
    CAST(:status AS TEXT[]), CAST(:owner AS TEXT[]), CAST(:epoch AS BIGINT[]),
    CAST(:recoveries AS BIGINT[]), CAST(:created_at AS BIGINT[]), CAST(:started_at AS BIGINT[]),
    CAST(:ended_at AS BIGINT[]), CAST(:parent_id AS TEXT[]), CAST(:idempotency_key AS TEXT[]),
    CAST(:tags AS TEXT[]), CAST(:error_message AS TEXT[]), CAST(:input AS TEXT[]),
    CAST(:final_context AS TEXT[]), CAST(:schedule_id AS TEXT[]), CAST(:behind AS TEXT[]),
    CAST(:context_hash AS TEXT[]), CAST(:reason_code AS TEXT[]),
    CAST(:limit_seconds AS BIGINT[]), CAST(:priority AS BIGINT[]),
    CAST(:claimable_at AS BIGINT[]), CAST(:due_at AS BIGINT[]), CAST(:start_by AS BIGINT[]),
    CAST(:came_due AS INTEGER[]), CAST(:round AS BIGINT[]), CAST(:cancel_at AS BIGINT[]),
    CAST(:paused_at AS BIGINT[]), CAST(:paused_until AS BIGINT[]),
    CAST(:stood_still AS BIGINT[]), CAST(:steer_reason AS TEXT[]), CAST(:detached AS INTEGER[]),
    CAST(:children_at AS BIGINT[]), CAST(:time_limit AS BIGINT[]),
    CAST(:deadline_at AS BIGINT[]), CAST(:reason_tasks AS TEXT[]), CAST(:pause_id AS TEXT[]),
    CAST(:paused_with AS TEXT[]), CAST(:pause_follows AS INTEGER[]), CAST(:follows AS TEXT[]),
    CAST(:follows_round AS BIGINT[]), CAST(:follows_place AS BIGINT[]),
    CAST(:replacements AS INTEGER[]), CAST(:root_id AS TEXT[]),
    CAST(:cancels_children AS INTEGER[]), CAST(:messages AS BIGINT[]),
    CAST(:rests_since AS BIGINT[]), CAST(:trace AS TEXT[]), CAST(:ran_version AS TEXT[]), CAST(:queue AS TEXT[]), CAST(:child_kind AS TEXT[]), CAST(:singleton_key AS TEXT[])
);


-- name: put_run_tag
-- Write tags of runs.
INSERT INTO cloaca_run_tag (
    run_id, tag, content
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:tag AS TEXT[]), CAST(:content AS TEXT[])
);


-- name: put_attempt
-- Write attempts.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, started_at, ended_at, retry_at, crashes, error_type,
    error_message, skip_reason, change, error_traceback, reason_code, replacements,
    runner, item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:attempt AS BIGINT[]),
    CAST(:epoch AS BIGINT[]), CAST(:status AS TEXT[]), CAST(:started_at AS BIGINT[]),
    CAST(:ended_at AS BIGINT[]), CAST(:retry_at AS BIGINT[]), CAST(:crashes AS BIGINT[]),
    CAST(:error_type AS TEXT[]), CAST(:error_message AS TEXT[]), CAST(:skip_reason AS TEXT[]),
    CAST(:change AS TEXT[]), CAST(:error_traceback AS TEXT[]), CAST(:reason_code AS TEXT[]),
    CAST(:replacements AS INTEGER[]), CAST(:runner AS BIGINT[]), CAST(:item AS BIGINT[])
);


-- name: put_round
-- Write ended rounds of runs.
INSERT INTO cloaca_round (
    run_id, round, status, error_message, reason_code, limit_seconds, final_context, started_at,
    ended_at
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:round AS BIGINT[]), CAST(:status AS TEXT[]),
    CAST(:error_message AS TEXT[]), CAST(:reason_code AS TEXT[]),
    CAST(:limit_seconds AS BIGINT[]), CAST(:final_context AS TEXT[]),
    CAST(:started_at AS BIGINT[]), CAST(:ended_at AS BIGINT[])
);


-- name: put_restart
-- Write restarts of tasks.
INSERT INTO cloaca_restart (
    run_id, task_id, first_attempt, round, with_children, item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:first_attempt AS BIGINT[]),
    CAST(:round AS BIGINT[]), CAST(:with_children AS INTEGER[]), CAST(:item AS BIGINT[])
);


-- name: put_fork
-- Write forks.
INSERT INTO cloaca_fork (
    run_id, forked_from, from_task, content, created_at, from_item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:forked_from AS TEXT[]), CAST(:from_task AS TEXT[]),
    CAST(:content AS TEXT[]), CAST(:created_at AS BIGINT[]), CAST(:from_item AS BIGINT[])
);


-- name: put_replacement
-- Write replaced keys of runs.
INSERT INTO cloaca_replacement (
    run_id, number, content, created_at
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:number AS INTEGER[]), CAST(:content AS TEXT[]),
    CAST(:created_at AS BIGINT[])
);


-- name: put_memo
-- Write memos.
INSERT INTO cloaca_memo (
    run_id, task_id, kind, name, number, input_hash, attempt, value, calls, created_at, item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:kind AS TEXT[]),
    CAST(:name AS TEXT[]), CAST(:number AS BIGINT[]), CAST(:input_hash AS TEXT[]),
    CAST(:attempt AS BIGINT[]), CAST(:value AS TEXT[]), CAST(:calls AS BIGINT[]),
    CAST(:created_at AS BIGINT[]), CAST(:item AS BIGINT[])
);


-- name: put_wait
-- Write open waits.
INSERT INTO cloaca_wait (
    run_id, task_id, kind, name, number, attempt, input_hash, opened_at, due_at, detail,
    timed_out, item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:kind AS TEXT[]),
    CAST(:name AS TEXT[]), CAST(:number AS BIGINT[]), CAST(:attempt AS BIGINT[]),
    CAST(:input_hash AS TEXT[]), CAST(:opened_at AS BIGINT[]), CAST(:due_at AS BIGINT[]),
    CAST(:detail AS TEXT[]), CAST(:timed_out AS BIGINT[]), CAST(:item AS BIGINT[])
);


-- name: put_message
-- Write messages.
INSERT INTO cloaca_message (
    run_id, id, number, kind, name, payload, dedupe_key, sent_by, sent_at, taken_by, taken_item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:id AS TEXT[]), CAST(:number AS BIGINT[]),
    CAST(:kind AS TEXT[]), CAST(:name AS TEXT[]), CAST(:payload AS TEXT[]),
    CAST(:dedupe_key AS TEXT[]), CAST(:sent_by AS TEXT[]), CAST(:sent_at AS BIGINT[]),
    CAST(:taken_by AS TEXT[]), CAST(:taken_item AS BIGINT[])
);


-- name: put_task_log
-- Write lines of bodies.
INSERT INTO cloaca_task_log (
    run_id, position, task_id, attempt, number, size, lines, item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:position AS BIGINT[]), CAST(:task_id AS TEXT[]),
    CAST(:attempt AS BIGINT[]), CAST(:number AS BIGINT[]), CAST(:size AS BIGINT[]),
    CAST(:lines AS TEXT[]), CAST(:item AS BIGINT[])
);


-- name: put_progress
-- Write the progress of attempts.
INSERT INTO cloaca_progress (
    run_id, task_id, attempt, done, total, detail, told_at, item
)
SELECT * FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:attempt AS BIGINT[]),
    CAST(:done AS DOUBLE PRECISION[]), CAST(:total AS DOUBLE PRECISION[]),
    CAST(:detail AS TEXT[]), CAST(:told_at AS BIGINT[]), CAST(:item AS BIGINT[])
);


-- name: put_act
-- Write acts.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT * FROM unnest(
    CAST(:id AS TEXT[]), CAST(:run_id AS TEXT[]), CAST(:workflow AS TEXT[]),
    CAST(:round AS BIGINT[]), CAST(:kind AS TEXT[]), CAST(:asked_by AS TEXT[]),
    CAST(:reason AS TEXT[]), CAST(:changed AS INTEGER[]), CAST(:created_at AS BIGINT[])
);


-- name: put_event
-- Write events of triggers.
INSERT INTO cloaca_event (
    id, trigger_id, event_key, context_hash, run_id, created_at
)
SELECT * FROM unnest(
    CAST(:id AS TEXT[]), CAST(:trigger_id AS TEXT[]), CAST(:event_key AS TEXT[]),
    CAST(:context_hash AS TEXT[]), CAST(:run_id AS TEXT[]), CAST(:created_at AS BIGINT[])
);


-- name: put_tick
-- Write decided ticks.
INSERT INTO cloaca_tick (
    schedule_id, tick, run_id, outcome, created_at
)
SELECT * FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]), CAST(:run_id AS TEXT[]),
    CAST(:outcome AS TEXT[]), CAST(:created_at AS BIGINT[])
);


-- name: put_lost
-- Write counts of dropped ticks.
INSERT INTO cloaca_lost (
    schedule_id, decided_until, ticks, created_at
)
SELECT * FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:decided_until AS BIGINT[]), CAST(:ticks AS BIGINT[]),
    CAST(:created_at AS BIGINT[])
);


-- name: put_schedule
-- Write schedules.
INSERT INTO cloaca_schedule (
    id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at, time_limit, pruned_until
)
SELECT * FROM unnest(
    CAST(:id AS TEXT[]), CAST(:name AS TEXT[]), CAST(:workflow AS TEXT[]),
    CAST(:cron_expression AS TEXT[]), CAST(:timezone AS TEXT[]), CAST(:enabled AS INTEGER[]),
    CAST(:catchup_policy AS TEXT[]), CAST(:overlap_policy AS TEXT[]),
    CAST(:jitter_seconds AS BIGINT[]), CAST(:start_date AS BIGINT[]),
    CAST(:end_date AS BIGINT[]), CAST(:params AS TEXT[]), CAST(:decided_until AS BIGINT[]),
    CAST(:next_tick AS BIGINT[]), CAST(:due_at AS BIGINT[]), CAST(:last_tick AS BIGINT[]),
    CAST(:generation AS BIGINT[]), CAST(:created_at AS BIGINT[]), CAST(:updated_at AS BIGINT[]),
    CAST(:time_limit AS BIGINT[]), CAST(:pruned_until AS BIGINT[])
);


-- name: put_trigger
-- Write triggers.
INSERT INTO cloaca_trigger (
    id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
)
SELECT * FROM unnest(
    CAST(:id AS TEXT[]), CAST(:name AS TEXT[]), CAST(:workflow AS TEXT[]),
    CAST(:poll_interval_ms AS BIGINT[]), CAST(:cron_expression AS TEXT[]),
    CAST(:timezone AS TEXT[]), CAST(:allow_concurrent AS INTEGER[]), CAST(:enabled AS INTEGER[]),
    CAST(:last_poll_at AS BIGINT[]), CAST(:next_poll_at AS BIGINT[]),
    CAST(:generation AS BIGINT[]), CAST(:created_at AS BIGINT[]), CAST(:updated_at AS BIGINT[])
);
