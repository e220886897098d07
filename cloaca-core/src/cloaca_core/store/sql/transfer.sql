-- Whole tables, for a copy of a database: pages in the order of their keys, and rows as they are.
-- The columns are those of records/transfer.py, in its order.


-- name: page_tombstone
-- Read roots of trees that were pruned after a key.
SELECT
    root_id, hidden_at
FROM cloaca_tombstone
WHERE root_id > :root_id
ORDER BY root_id
LIMIT :limit;


-- name: last_tombstone
-- Read the last key of roots of trees that were pruned.
SELECT root_id FROM cloaca_tombstone
ORDER BY root_id DESC
LIMIT 1;


-- name: put_tombstone
-- Write roots of trees that were pruned.
INSERT INTO cloaca_tombstone (
    root_id, hidden_at
) VALUES (
    :root_id, :hidden_at
);


-- name: page_runner_name
-- Read names of runners after a key.
SELECT
    number, id, host, process, gone_at
FROM cloaca_runner_name
WHERE number > :number
ORDER BY number
LIMIT :limit;


-- name: last_runner_name
-- Read the last key of names of runners.
SELECT number FROM cloaca_runner_name
ORDER BY number DESC
LIMIT 1;


-- name: put_runner_name
-- Write names of runners that are not there yet.
INSERT INTO cloaca_runner_name (
    number, id, host, process, gone_at
) VALUES (
    :number, :id, :host, :process, :gone_at
)
ON CONFLICT (number) DO NOTHING;


-- name: page_paused_workflow
-- Read pauses of workflows after a key.
SELECT
    workflow, paused_at, paused_until
FROM cloaca_paused_workflow
WHERE workflow > :workflow
ORDER BY workflow
LIMIT :limit;


-- name: last_paused_workflow
-- Read the last key of pauses of workflows.
SELECT workflow FROM cloaca_paused_workflow
ORDER BY workflow DESC
LIMIT 1;


-- name: put_paused_workflow
-- Write pauses of workflows.
INSERT INTO cloaca_paused_workflow (
    workflow, paused_at, paused_until
) VALUES (
    :workflow, :paused_at, :paused_until
);


-- name: page_definition
-- Read recorded definitions after a key.
SELECT
    workflow, version, name, content, recorded_at
FROM cloaca_definition
WHERE (workflow, version) > (:workflow, :version)
ORDER BY workflow, version
LIMIT :limit;


-- name: last_definition
-- Read the last key of recorded definitions.
SELECT workflow, version FROM cloaca_definition
ORDER BY workflow DESC, version DESC
LIMIT 1;


-- name: put_definition
-- Write recorded definitions.
INSERT INTO cloaca_definition (
    workflow, version, name, content, recorded_at
) VALUES (
    :workflow, :version, :name, :content, :recorded_at
);


-- name: page_workflow
-- Read newest versions of workflows after a key.
SELECT
    workflow, version, name, short_name, retention, queue
FROM cloaca_workflow
WHERE workflow > :workflow
ORDER BY workflow
LIMIT :limit;


-- name: last_workflow
-- Read the last key of newest versions of workflows.
SELECT workflow FROM cloaca_workflow
ORDER BY workflow DESC
LIMIT 1;


-- name: put_workflow
-- Write newest versions of workflows.
INSERT INTO cloaca_workflow (
    workflow, version, name, short_name, retention, queue
) VALUES (
    :workflow, :version, :name, :short_name, :retention, :queue
);


-- name: page_when_ended
-- Read what follows the ends of runs after a key.
SELECT
    workflow, version, place, status, submits, content
FROM cloaca_when_ended
WHERE (workflow, version, place, status) > (:workflow, :version, :place, :status)
ORDER BY workflow, version, place, status
LIMIT :limit;


-- name: last_when_ended
-- Read the last key of what follows the ends of runs.
SELECT workflow, version, place, status FROM cloaca_when_ended
ORDER BY workflow DESC, version DESC, place DESC, status DESC
LIMIT 1;


-- name: put_when_ended
-- Write what follows the ends of runs.
INSERT INTO cloaca_when_ended (
    workflow, version, place, status, submits, content
) VALUES (
    :workflow, :version, :place, :status, :submits, :content
);


-- name: page_run
-- Read runs, with their payloads after a key.
SELECT
    id, workflow, version, status, owner, epoch, recoveries, created_at, started_at, ended_at,
    parent_id, idempotency_key, tags, error_message, input, final_context, schedule_id, behind,
    context_hash, reason_code, limit_seconds, priority, claimable_at, due_at, start_by, came_due,
    round, cancel_at, paused_at, paused_until, stood_still, steer_reason, detached, children_at,
    time_limit, deadline_at, reason_tasks, pause_id, paused_with, pause_follows, follows,
    follows_round, follows_place, replacements, root_id, cancels_children, messages, rests_since,
    trace, ran_version, queue, child_kind, singleton_key
FROM cloaca_run
WHERE id > :id
ORDER BY id
LIMIT :limit;


-- name: last_run
-- Read the last key of runs, with their payloads.
SELECT id FROM cloaca_run
ORDER BY id DESC
LIMIT 1;


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
) VALUES (
    :id, :workflow, :version, :status, :owner, :epoch, :recoveries, :created_at, :started_at,
    :ended_at, :parent_id, :idempotency_key, :tags, :error_message, :input, :final_context,
    :schedule_id, :behind, :context_hash, :reason_code, :limit_seconds, :priority, :claimable_at,
    :due_at, :start_by, :came_due, :round, :cancel_at, :paused_at, :paused_until, :stood_still,
    :steer_reason, :detached, :children_at, :time_limit, :deadline_at, :reason_tasks, :pause_id,
    :paused_with, :pause_follows, :follows, :follows_round, :follows_place, :replacements,
    :root_id, :cancels_children, :messages, :rests_since, :trace,
    :ran_version, :queue, :child_kind, :singleton_key
);


-- name: page_run_tag
-- Read tags of runs after a key.
SELECT
    run_id, tag, content
FROM cloaca_run_tag
WHERE (run_id, tag) > (:run_id, :tag)
ORDER BY run_id, tag
LIMIT :limit;


-- name: last_run_tag
-- Read the last key of tags of runs.
SELECT run_id, tag FROM cloaca_run_tag
ORDER BY run_id DESC, tag DESC
LIMIT 1;


-- name: put_run_tag
-- Write tags of runs.
INSERT INTO cloaca_run_tag (
    run_id, tag, content
) VALUES (
    :run_id, :tag, :content
);


-- name: page_attempt
-- Read attempts after a key.
SELECT
    run_id, task_id, attempt, epoch, status, started_at, ended_at, retry_at, crashes, error_type,
    error_message, skip_reason, change, error_traceback, reason_code, replacements,
    runner, item
FROM cloaca_attempt
WHERE (run_id, task_id, item, attempt) > (:run_id, :task_id, :item, :attempt)
ORDER BY run_id, task_id, item, attempt
LIMIT :limit;


-- name: last_attempt
-- Read the last key of attempts.
SELECT run_id, task_id, item, attempt FROM cloaca_attempt
ORDER BY run_id DESC, task_id DESC, item DESC, attempt DESC
LIMIT 1;


-- name: put_attempt
-- Write attempts.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, started_at, ended_at, retry_at, crashes, error_type,
    error_message, skip_reason, change, error_traceback, reason_code, replacements,
    runner, item
) VALUES (
    :run_id, :task_id, :attempt, :epoch, :status, :started_at, :ended_at, :retry_at, :crashes,
    :error_type, :error_message, :skip_reason, :change, :error_traceback, :reason_code,
    :replacements, :runner, :item
);


-- name: page_round
-- Read ended rounds of runs after a key.
SELECT
    run_id, round, status, error_message, reason_code, limit_seconds, final_context, started_at,
    ended_at
FROM cloaca_round
WHERE (run_id, round) > (:run_id, :round)
ORDER BY run_id, round
LIMIT :limit;


-- name: last_round
-- Read the last key of ended rounds of runs.
SELECT run_id, round FROM cloaca_round
ORDER BY run_id DESC, round DESC
LIMIT 1;


-- name: put_round
-- Write ended rounds of runs.
INSERT INTO cloaca_round (
    run_id, round, status, error_message, reason_code, limit_seconds, final_context, started_at,
    ended_at
) VALUES (
    :run_id, :round, :status, :error_message, :reason_code, :limit_seconds, :final_context,
    :started_at, :ended_at
);


-- name: page_restart
-- Read restarts of tasks after a key.
SELECT
    run_id, task_id, first_attempt, round, with_children, item
FROM cloaca_restart
WHERE (run_id, task_id, item, first_attempt) > (:run_id, :task_id, :item, :first_attempt)
ORDER BY run_id, task_id, item, first_attempt
LIMIT :limit;


-- name: last_restart
-- Read the last key of restarts of tasks.
SELECT run_id, task_id, item, first_attempt FROM cloaca_restart
ORDER BY run_id DESC, task_id DESC, item DESC, first_attempt DESC
LIMIT 1;


-- name: put_restart
-- Write restarts of tasks.
INSERT INTO cloaca_restart (
    run_id, task_id, first_attempt, round, with_children, item
) VALUES (
    :run_id, :task_id, :first_attempt, :round, :with_children, :item
);


-- name: page_fork
-- Read forks after a key.
SELECT
    run_id, forked_from, from_task, content, created_at, from_item
FROM cloaca_fork
WHERE (run_id, from_task, from_item) > (:run_id, :from_task, :from_item)
ORDER BY run_id, from_task, from_item
LIMIT :limit;


-- name: last_fork
-- Read the last key of forks.
SELECT run_id, from_task, from_item FROM cloaca_fork
ORDER BY run_id DESC, from_task DESC, from_item DESC
LIMIT 1;


-- name: put_fork
-- Write forks.
INSERT INTO cloaca_fork (
    run_id, forked_from, from_task, content, created_at, from_item
) VALUES (
    :run_id, :forked_from, :from_task, :content, :created_at, :from_item
);


-- name: page_replacement
-- Read replaced keys of runs after a key.
SELECT
    run_id, number, content, created_at
FROM cloaca_replacement
WHERE (run_id, number) > (:run_id, CAST(:number AS BIGINT))
ORDER BY run_id, number
LIMIT :limit;


-- name: last_replacement
-- Read the last key of replaced keys of runs.
SELECT run_id, number FROM cloaca_replacement
ORDER BY run_id DESC, number DESC
LIMIT 1;


-- name: put_replacement
-- Write replaced keys of runs.
INSERT INTO cloaca_replacement (
    run_id, number, content, created_at
) VALUES (
    :run_id, :number, :content, :created_at
);


-- name: page_memo
-- Read memos after a key.
SELECT
    run_id, task_id, kind, name, number, input_hash, attempt, value, calls, created_at, item
FROM cloaca_memo
WHERE (run_id, task_id, item, kind, name, number) > (:run_id, :task_id, :item, :kind, :name, :number)
ORDER BY run_id, task_id, item, kind, name, number
LIMIT :limit;


-- name: last_memo
-- Read the last key of memos.
SELECT run_id, task_id, item, kind, name, number FROM cloaca_memo
ORDER BY run_id DESC, task_id DESC, item DESC, kind DESC, name DESC, number DESC
LIMIT 1;


-- name: put_memo
-- Write memos.
INSERT INTO cloaca_memo (
    run_id, task_id, kind, name, number, input_hash, attempt, value, calls, created_at, item
) VALUES (
    :run_id, :task_id, :kind, :name, :number, :input_hash, :attempt, :value, :calls, :created_at, :item
);


-- name: page_wait
-- Read open waits after a key.
SELECT
    run_id, task_id, kind, name, number, attempt, input_hash, opened_at, due_at, detail,
    timed_out, item
FROM cloaca_wait
WHERE (run_id, task_id, item, kind, name, number) > (:run_id, :task_id, :item, :kind, :name, :number)
ORDER BY run_id, task_id, item, kind, name, number
LIMIT :limit;


-- name: last_wait
-- Read the last key of open waits.
SELECT run_id, task_id, item, kind, name, number FROM cloaca_wait
ORDER BY run_id DESC, task_id DESC, item DESC, kind DESC, name DESC, number DESC
LIMIT 1;


-- name: put_wait
-- Write open waits.
INSERT INTO cloaca_wait (
    run_id, task_id, kind, name, number, attempt, input_hash, opened_at, due_at, detail,
    timed_out, item
) VALUES (
    :run_id, :task_id, :kind, :name, :number, :attempt, :input_hash, :opened_at, :due_at,
    :detail, :timed_out, :item
);


-- name: page_message
-- Read messages after a key.
SELECT
    run_id, id, number, kind, name, payload, dedupe_key, sent_by, sent_at, taken_by, taken_item
FROM cloaca_message
WHERE (run_id, id) > (:run_id, :id)
ORDER BY run_id, id
LIMIT :limit;


-- name: last_message
-- Read the last key of messages.
SELECT run_id, id FROM cloaca_message
ORDER BY run_id DESC, id DESC
LIMIT 1;


-- name: put_message
-- Write messages.
INSERT INTO cloaca_message (
    run_id, id, number, kind, name, payload, dedupe_key, sent_by, sent_at, taken_by, taken_item
) VALUES (
    :run_id, :id, :number, :kind, :name, :payload, :dedupe_key, :sent_by, :sent_at, :taken_by, :taken_item
);


-- name: page_task_log
-- Read lines of bodies after a key.
SELECT
    run_id, position, task_id, attempt, number, size, lines, item
FROM cloaca_task_log
WHERE (run_id, position) > (:run_id, :position)
ORDER BY run_id, position
LIMIT :limit;


-- name: last_task_log
-- Read the last key of lines of bodies.
SELECT run_id, position FROM cloaca_task_log
ORDER BY run_id DESC, position DESC
LIMIT 1;


-- name: put_task_log
-- Write lines of bodies.
INSERT INTO cloaca_task_log (
    run_id, position, task_id, attempt, number, size, lines, item
) VALUES (
    :run_id, :position, :task_id, :attempt, :number, :size, :lines, :item
);


-- name: page_progress
-- Read the progress of attempts after a key.
SELECT
    run_id, task_id, attempt, done, total, detail, told_at, item
FROM cloaca_progress
WHERE (run_id, task_id, item, attempt) > (:run_id, :task_id, :item, :attempt)
ORDER BY run_id, task_id, item, attempt
LIMIT :limit;


-- name: last_progress
-- Read the last key of the progress of attempts.
SELECT run_id, task_id, item, attempt FROM cloaca_progress
ORDER BY run_id DESC, task_id DESC, item DESC, attempt DESC
LIMIT 1;


-- name: put_progress
-- Write the progress of attempts.
INSERT INTO cloaca_progress (
    run_id, task_id, attempt, done, total, detail, told_at, item
) VALUES (
    :run_id, :task_id, :attempt, :done, :total, :detail, :told_at, :item
);


-- name: page_act
-- Read acts after a key.
SELECT
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
FROM cloaca_act
WHERE (run_id, id) > (:run_id, :id)
ORDER BY run_id, id
LIMIT :limit;


-- name: last_act
-- Read the last key of acts.
SELECT run_id, id FROM cloaca_act
ORDER BY run_id DESC, id DESC
LIMIT 1;


-- name: put_act
-- Write acts.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
) VALUES (
    :id, :run_id, :workflow, :round, :kind, :asked_by, :reason, :changed, :created_at
);


-- name: page_event
-- Read events of triggers after a key.
SELECT
    id, trigger_id, event_key, context_hash, run_id, created_at
FROM cloaca_event
WHERE id > :id
ORDER BY id
LIMIT :limit;


-- name: last_event
-- Read the last key of events of triggers.
SELECT id FROM cloaca_event
ORDER BY id DESC
LIMIT 1;


-- name: put_event
-- Write events of triggers.
INSERT INTO cloaca_event (
    id, trigger_id, event_key, context_hash, run_id, created_at
) VALUES (
    :id, :trigger_id, :event_key, :context_hash, :run_id, :created_at
);


-- name: page_tick
-- Read decided ticks after a key.
SELECT
    schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick
WHERE (schedule_id, tick) > (:schedule_id, :tick)
ORDER BY schedule_id, tick
LIMIT :limit;


-- name: last_tick
-- Read the last key of decided ticks.
SELECT schedule_id, tick FROM cloaca_tick
ORDER BY schedule_id DESC, tick DESC
LIMIT 1;


-- name: put_tick
-- Write decided ticks.
INSERT INTO cloaca_tick (
    schedule_id, tick, run_id, outcome, created_at
) VALUES (
    :schedule_id, :tick, :run_id, :outcome, :created_at
);


-- name: page_lost
-- Read counts of dropped ticks after a key.
SELECT
    schedule_id, decided_until, ticks, created_at
FROM cloaca_lost
WHERE (schedule_id, decided_until) > (:schedule_id, :decided_until)
ORDER BY schedule_id, decided_until
LIMIT :limit;


-- name: last_lost
-- Read the last key of counts of dropped ticks.
SELECT schedule_id, decided_until FROM cloaca_lost
ORDER BY schedule_id DESC, decided_until DESC
LIMIT 1;


-- name: put_lost
-- Write counts of dropped ticks.
INSERT INTO cloaca_lost (
    schedule_id, decided_until, ticks, created_at
) VALUES (
    :schedule_id, :decided_until, :ticks, :created_at
);


-- name: page_schedule
-- Read schedules after a key.
SELECT
    id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at, time_limit, pruned_until
FROM cloaca_schedule
WHERE id > :id
ORDER BY id
LIMIT :limit;


-- name: last_schedule
-- Read the last key of schedules.
SELECT id FROM cloaca_schedule
ORDER BY id DESC
LIMIT 1;


-- name: put_schedule
-- Write schedules.
INSERT INTO cloaca_schedule (
    id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at, time_limit, pruned_until
) VALUES (
    :id, :name, :workflow, :cron_expression, :timezone, :enabled, :catchup_policy,
    :overlap_policy, :jitter_seconds, :start_date, :end_date, :params, :decided_until,
    :next_tick, :due_at, :last_tick, :generation, :created_at, :updated_at, :time_limit,
    :pruned_until
);


-- name: page_trigger
-- Read triggers after a key.
SELECT
    id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger
WHERE id > :id
ORDER BY id
LIMIT :limit;


-- name: last_trigger
-- Read the last key of triggers.
SELECT id FROM cloaca_trigger
ORDER BY id DESC
LIMIT 1;


-- name: put_trigger
-- Write triggers.
INSERT INTO cloaca_trigger (
    id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
) VALUES (
    :id, :name, :workflow, :poll_interval_ms, :cron_expression, :timezone, :allow_concurrent,
    :enabled, :last_poll_at, :next_poll_at, :generation, :created_at, :updated_at
);


-- name: strays_attempt
-- Count attempts whose run is not there.
SELECT count(*) FROM cloaca_attempt AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_run_tag
-- Count tags of runs whose run is not there.
SELECT count(*) FROM cloaca_run_tag AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_round
-- Count ended rounds of runs whose run is not there.
SELECT count(*) FROM cloaca_round AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_restart
-- Count restarts of tasks whose run is not there.
SELECT count(*) FROM cloaca_restart AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_fork
-- Count forks whose run is not there.
SELECT count(*) FROM cloaca_fork AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_replacement
-- Count replaced keys of runs whose run is not there.
SELECT count(*) FROM cloaca_replacement AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_memo
-- Count memos whose run is not there.
SELECT count(*) FROM cloaca_memo AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_wait
-- Count open waits whose run is not there.
SELECT count(*) FROM cloaca_wait AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_message
-- Count messages whose run is not there.
SELECT count(*) FROM cloaca_message AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_task_log
-- Count lines of bodies whose run is not there.
SELECT count(*) FROM cloaca_task_log AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: strays_progress
-- Count the progress of attempts whose run is not there.
SELECT count(*) FROM cloaca_progress AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: keep_all
-- Note that nothing is pruned unless that is asked for.
UPDATE cloaca_upkeep SET keeps_all = 1 WHERE id = 1;
