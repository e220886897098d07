-- The statements of SqlStore in SQL that SQLite and PostgreSQL both take. What they must word
-- differently (mostly lists as parameters) is in the runs.sql of each backend.
-- CAST stands where a NULL parameter would leave a database without a type.


-- name: insert_run
-- Add a run. It belongs to :owner from the start if that is a live runner, else to nobody.
-- Sent again, or with a taken idempotency key, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, created_at,
    owner, epoch, status, started_at
)
SELECT
    :id, :workflow, :version, :input, :tags, CAST(:idempotency_key AS TEXT),
    CAST(:parent_id AS TEXT), :created_at,
    runner.id,
    CASE WHEN runner.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN runner.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN runner.id IS NULL THEN NULL ELSE :created_at END
FROM (SELECT 1) AS one
LEFT JOIN cloaca_runner AS runner ON runner.id = :owner AND runner.fenced = 0
WHERE 1 = 1
ON CONFLICT DO NOTHING;


-- name: insert_unowned_run
-- Add a run without an owner. Sent again, or with a taken idempotency key, it changes nothing.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, created_at, epoch, status
)
VALUES (
    :id, :workflow, :version, :input, :tags, :idempotency_key, CAST(:parent_id AS TEXT),
    :created_at, 0, 'Pending'
)
ON CONFLICT DO NOTHING;


-- name: insert_tag
-- Index one tag of a run that was inserted (a run whose key was taken was not).
INSERT INTO cloaca_run_tag (run_id, tag, content)
SELECT :run_id, :tag, :content
WHERE EXISTS (SELECT 1 FROM cloaca_run WHERE id = :run_id)
ON CONFLICT DO NOTHING;


-- name: record_attempt
-- Write what became of an attempt, if the runner still owns the run. A final row stays.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes
)
SELECT
    :run_id, :task_id, :attempt, :epoch, :status, CAST(:change AS TEXT),
    CAST(:error_type AS TEXT), CAST(:error_message AS TEXT), CAST(:error_traceback AS TEXT),
    CAST(:skip_reason AS TEXT), CAST(:started_at AS BIGINT), CAST(:ended_at AS BIGINT),
    CAST(:retry_at AS BIGINT), :crashes
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run
    JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
    WHERE run.id = :run_id AND run.owner = :runner_id AND run.epoch = :fence
)
ON CONFLICT (run_id, task_id, attempt) DO UPDATE SET
    epoch = excluded.epoch, status = excluded.status, change = excluded.change,
    error_type = excluded.error_type, error_message = excluded.error_message,
    error_traceback = excluded.error_traceback, skip_reason = excluded.skip_reason,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    retry_at = excluded.retry_at, crashes = excluded.crashes
WHERE cloaca_attempt.status NOT IN ('Completed', 'Failed', 'Skipped', 'Cancelled');


-- name: end_run
-- The last write of a run, if the runner still owns it. It keeps its owner, so that the same
-- batch sent again is answered as the first time.
UPDATE cloaca_run
SET status = :status, final_context = :final_context, error_message = :error_message,
    ended_at = :ended_at
WHERE id = :id AND owner = :runner_id AND epoch = :fence AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: shut_out
-- Wait for whatever this runner is writing at the moment, and let it write nothing more until the
-- transaction ends. (Where one transaction writes at a time, that is so already.)
SELECT id FROM cloaca_runner WHERE id = :runner_id;


-- name: unregister
-- Remove a runner.
DELETE FROM cloaca_runner WHERE id = :id;


-- name: register
-- Add a runner. Sent again it changes nothing.
INSERT INTO cloaca_runner (
    id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
)
VALUES (
    :id, :boot_id, :pid_namespace, :pid, :process_start, 0, :lease_until, 0, :started_at
)
ON CONFLICT DO NOTHING;


-- name: get_runner
-- One runner, to see whether an id belongs to the process that registered it.
SELECT id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
FROM cloaca_runner WHERE id = :id;


-- name: list_runners
-- Every runner, oldest first.
SELECT id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
FROM cloaca_runner ORDER BY started_at, id;


-- name: beat
-- Renew a lease, unless somebody has declared this runner dead.
UPDATE cloaca_runner SET beat = beat + 1, lease_until = :lease_until
WHERE id = :id AND fenced = 0
RETURNING id;


-- name: fence
-- Declare a runner dead if it has not beaten since :seen_beat. A row is the answer "it is".
UPDATE cloaca_runner SET fenced = 1
WHERE id = :id AND (beat = :seen_beat OR fenced = 1)
RETURNING id;


-- name: count_crashes
-- First half of a takeover: blame the attempts that were running in the dead process. The
-- runs are those that take_over_runs will free in the same transaction.
UPDATE cloaca_attempt SET crashes = crashes + 1
WHERE status = 'Running'
    AND run_id IN (
        SELECT id FROM cloaca_run WHERE owner = :runner_id AND ended_at IS NULL
        ORDER BY id LIMIT :limit
    )
    AND epoch = (SELECT run.epoch FROM cloaca_run AS run WHERE run.id = cloaca_attempt.run_id)
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1);


-- name: take_over_runs
-- Second half: free the oldest runs of a fenced runner.
UPDATE cloaca_run SET owner = NULL, epoch = epoch + 1, recoveries = recoveries + 1
WHERE id IN (
        SELECT id FROM cloaca_run WHERE owner = :runner_id AND ended_at IS NULL
        ORDER BY id LIMIT :limit
    )
    AND owner = :runner_id AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
RETURNING id;


-- name: remove_emptied_runner
-- Forget a fenced runner that owns nothing any more.
DELETE FROM cloaca_runner
WHERE id = :runner_id AND fenced = 1
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run WHERE owner = :runner_id AND ended_at IS NULL
    );


-- name: get_run
-- One run with its payloads.
SELECT id, workflow, version, status, owner, epoch, recoveries, input, tags, parent_id,
    final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run WHERE id = :id;


-- name: list_runs
-- The newest runs, without payloads. A "before" past every id means from the newest on.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run WHERE id < :before
ORDER BY id DESC LIMIT :limit;


-- name: list_active_runs
-- The newest runs in one state of those that have not ended.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run WHERE ended_at IS NULL AND status = :status AND id < :before
ORDER BY id DESC LIMIT :limit;


-- name: list_ended_runs
-- The newest runs that ended in one state.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run WHERE ended_at IS NOT NULL AND status = :status AND id < :before
ORDER BY id DESC LIMIT :limit;


-- name: list_runs_of_workflow
-- The newest runs of one workflow, in one state or (status NULL) any.
SELECT id, workflow, version, status, owner, epoch, recoveries, '' AS input, tags, parent_id,
    '' AS final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run
WHERE workflow = :workflow AND id < :before
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
ORDER BY id DESC LIMIT :limit;


-- name: insert_tick
-- Decide a tick, if the schedule still is what the decision was made from. A back-filled one
-- (generation NULL) was decided by a person, whatever the schedule has come to.
INSERT INTO cloaca_tick (schedule_id, tick, run_id, outcome, created_at)
SELECT :schedule_id, :tick, CAST(:run_id AS TEXT), :outcome, :created_at
WHERE EXISTS (
    SELECT 1 FROM cloaca_schedule
    WHERE id = :schedule_id AND (
        CAST(:generation AS BIGINT) IS NULL OR (generation = :generation AND enabled = 1)
    )
)
ON CONFLICT DO NOTHING;


-- name: take_dropped_tick
-- Back-fill a tick that was decided and made no run.
UPDATE cloaca_tick SET run_id = :run_id, outcome = :outcome, created_at = :created_at
WHERE schedule_id = :schedule_id AND tick = :tick AND run_id IS NULL
    AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = :schedule_id);


-- name: insert_tick_run
-- Add the run of a tick that is ours. It belongs to nobody yet. A back-filled one is not among
-- those that the schedule's next ticks meet: a person has asked for it, however many there are.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, epoch, status, schedule_id, behind
)
SELECT
    :run_id, :workflow, :version, :input, '{}', :created_at, 0, 'Pending',
    CASE WHEN CAST(:generation AS BIGINT) IS NULL THEN NULL ELSE :schedule_id END,
    CAST(:behind AS TEXT)
WHERE EXISTS (
    SELECT 1 FROM cloaca_tick
    WHERE schedule_id = :schedule_id AND tick = :tick AND run_id = :run_id
)
ON CONFLICT DO NOTHING;


-- name: insert_lost
-- Count ticks that will never run, if the schedule still is what the decision was made from.
INSERT INTO cloaca_lost (schedule_id, decided_until, ticks, created_at)
SELECT :schedule_id, :decided_until, :lost, :decided_at
WHERE EXISTS (
    SELECT 1 FROM cloaca_schedule
    WHERE id = :schedule_id AND generation = :generation AND enabled = 1
)
ON CONFLICT DO NOTHING;


-- name: advance_schedule
-- Last: go on to the next tick, if the schedule still is what the decision was made from.
UPDATE cloaca_schedule
SET decided_until = :decided_until, next_tick = :next_tick, due_at = :due_at,
    last_tick = coalesce(:last_tick, last_tick), generation = generation + 1
WHERE id = :schedule_id AND generation = :generation AND enabled = 1;


-- name: outdate_schedule
-- A tick was back-filled that its schedule has not come to: whoever has decided that one already, as
-- if it were to make a run that the next ticks meet, decides anew.
UPDATE cloaca_schedule SET generation = generation + 1
WHERE id = :schedule_id AND enabled = 1 AND decided_until < :tick;


-- name: cancel_run
-- End a run that makes way for the run of a tick, if that is there. Whoever owned it finds another
-- epoch, and nothing that it still sends is written.
UPDATE cloaca_run
SET status = 'Cancelled', final_context = input, error_message = :error_message,
    ended_at = :ended_at, owner = NULL, epoch = epoch + 1, behind = NULL
WHERE id = :id AND ended_at IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_tick
        WHERE schedule_id = :schedule_id AND tick = :tick AND run_id = :tick_run
    );


-- name: put_schedule
-- Add a schedule, or change the one of this name. When its ticks stay the same it goes on where it
-- was: a program that says at each start what it wants misses nothing that way. With another jitter
-- the next tick may be due sooner than was known: whoever fires is to look at once.
INSERT INTO cloaca_schedule (
    id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
)
VALUES (
    :id, CAST(:name AS TEXT), :workflow, :cron_expression, :timezone, :enabled, :catchup_policy,
    :overlap_policy, :jitter_seconds, CAST(:start_date AS BIGINT), CAST(:end_date AS BIGINT),
    :params, :decided_until, CAST(:next_tick AS BIGINT), CAST(:due_at AS BIGINT), NULL, 0,
    :created_at, :created_at
)
ON CONFLICT (name) DO UPDATE SET
    workflow = excluded.workflow, cron_expression = excluded.cron_expression,
    timezone = excluded.timezone, catchup_policy = excluded.catchup_policy,
    overlap_policy = excluded.overlap_policy, jitter_seconds = excluded.jitter_seconds,
    start_date = excluded.start_date, end_date = excluded.end_date, params = excluded.params,
    updated_at = excluded.updated_at, generation = cloaca_schedule.generation + 1,
    (decided_until, next_tick, due_at) = (
        SELECT
            CASE WHEN kept.ticks THEN cloaca_schedule.decided_until ELSE excluded.decided_until END,
            CASE WHEN kept.ticks THEN cloaca_schedule.next_tick ELSE excluded.next_tick END,
            CASE
                WHEN NOT kept.ticks THEN excluded.due_at
                WHEN cloaca_schedule.jitter_seconds <> excluded.jitter_seconds
                    AND cloaca_schedule.due_at >= excluded.created_at
                THEN excluded.created_at
                ELSE cloaca_schedule.due_at
            END
        FROM (
            SELECT cloaca_schedule.cron_expression = excluded.cron_expression
                AND cloaca_schedule.timezone = excluded.timezone
                AND cloaca_schedule.start_date IS NOT DISTINCT FROM excluded.start_date
                AND cloaca_schedule.end_date IS NOT DISTINCT FROM excluded.end_date AS ticks
        ) AS kept
    )
RETURNING id;


-- name: get_schedule
-- One schedule.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule WHERE id = :id;


-- name: get_schedule_named
-- The schedule of a name.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule WHERE name = :name;


-- name: list_schedules
-- Schedules in the order of their workflows, all or (enabled_only 1) those that are enabled. Each
-- has a workflow: that it is asked for leads to the index, which has the order.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule WHERE workflow > '' AND enabled >= :enabled_only
ORDER BY workflow, id LIMIT :limit OFFSET :offset;


-- name: retime_schedule
-- Change when a schedule that is seen in this generation ticks, and whether it does.
UPDATE cloaca_schedule
SET cron_expression = :cron_expression, timezone = :timezone, enabled = :enabled,
    decided_until = :decided_until, next_tick = :next_tick, due_at = :due_at,
    updated_at = :updated_at, generation = generation + 1
WHERE id = :id AND generation = :generation
RETURNING id;


-- name: delete_schedule
-- Remove a schedule. Its ticks stay: they are the history of runs.
DELETE FROM cloaca_schedule WHERE id = :id;


-- name: list_ticks
-- What became of the ticks of a schedule, newest first.
SELECT schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick WHERE schedule_id = :schedule_id
ORDER BY tick DESC LIMIT :limit OFFSET :offset;


-- name: count_ticks
-- How many ticks were decided since an instant: those that have a run, and those that have none.
SELECT
    count(run_id),
    count(*) - count(run_id) + (
        SELECT coalesce(CAST(sum(ticks) AS BIGINT), 0) FROM cloaca_lost WHERE created_at >= :since
    )
FROM cloaca_tick WHERE created_at >= :since;


-- name: insert_event
-- Note what a trigger found, if that may make a run: while the trigger is enabled (and, where
-- its decision depends on it, still what it was made from), of events with one key only the first,
-- and where runs are not to be concurrent no second one of a context. Runs of the workflow that the
-- trigger had before may be nobody's any more, and would stop it for ever.
INSERT INTO cloaca_event (id, trigger_id, event_key, context_hash, run_id, created_at)
SELECT
    :id, :trigger_id, CAST(:event_key AS TEXT), CAST(:context_hash AS TEXT), :run_id, :created_at
WHERE EXISTS (
        SELECT 1 FROM cloaca_trigger
        WHERE id = :trigger_id AND enabled = 1
            AND generation = coalesce(CAST(:generation AS BIGINT), generation)
    )
    AND (
        :allow_concurrent = 1
        OR NOT EXISTS (
            SELECT 1 FROM cloaca_run
            WHERE schedule_id = :trigger_id AND context_hash = CAST(:context_hash AS TEXT)
                AND ended_at IS NULL AND workflow = :workflow
        )
    )
ON CONFLICT DO NOTHING;


-- name: insert_event_run
-- Add the run of an event that is ours. It belongs to nobody yet.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, epoch, status, schedule_id, context_hash
)
SELECT
    :run_id, :workflow, :version, :input, '{}', :created_at, 0, 'Pending', :trigger_id,
    :context_hash
WHERE EXISTS (SELECT 1 FROM cloaca_event WHERE id = :id AND run_id = :run_id)
ON CONFLICT DO NOTHING;


-- name: take_poll
-- Go on to the next poll or tick of a trigger, if nobody else has since it was seen. A row is the
-- answer that this one is ours.
UPDATE cloaca_trigger
SET last_poll_at = :last_poll_at, next_poll_at = :next_poll_at, generation = generation + 1
WHERE id = :id AND generation = :generation AND enabled = 1
RETURNING id;


-- name: add_trigger
-- Add a trigger, unless there is one of this name.
INSERT INTO cloaca_trigger (
    id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
)
VALUES (
    :id, :name, CAST(:workflow AS TEXT), CAST(:poll_interval_ms AS BIGINT),
    CAST(:cron_expression AS TEXT), CAST(:timezone AS TEXT), :allow_concurrent, :enabled,
    NULL, CAST(:next_poll_at AS BIGINT), 0, :created_at, :created_at
)
ON CONFLICT DO NOTHING
RETURNING id;


-- name: change_trigger
-- Change what a trigger that is seen in this generation is, whether it is polled, and when.
UPDATE cloaca_trigger
SET workflow = CAST(:workflow AS TEXT), poll_interval_ms = CAST(:poll_interval_ms AS BIGINT),
    cron_expression = CAST(:cron_expression AS TEXT), timezone = CAST(:timezone AS TEXT),
    allow_concurrent = :allow_concurrent, enabled = :enabled,
    next_poll_at = CAST(:next_poll_at AS BIGINT), updated_at = :updated_at,
    generation = generation + 1
WHERE id = :id AND generation = :generation
RETURNING id;


-- name: list_triggers
-- Triggers by name, all or (enabled_only 1) those that are enabled. Each has a name: that it is
-- asked for leads to the index, which has the order.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name > '' AND enabled >= :enabled_only
ORDER BY name LIMIT :limit OFFSET :offset;


-- name: list_waiting
-- The workflows of which runs wait for anybody, or schedules tick, and no live runner owns a run; and
-- how many live runners there are beside this one. From each workflow one look leads to the next, and
-- at most :most are counted, however many wait.
WITH RECURSIVE waiting (workflow) AS (
    SELECT min(run.workflow) FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
    UNION ALL
    SELECT (
        SELECT min(run.workflow) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
            AND run.workflow > waiting.workflow
    )
    FROM waiting WHERE waiting.workflow IS NOT NULL
),
planned (workflow) AS (
    SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
    WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(schedule.workflow) FROM cloaca_schedule AS schedule
        WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
            AND schedule.workflow > planned.workflow
    )
    FROM planned WHERE planned.workflow IS NOT NULL
)
SELECT 'run' AS kind, waiting.workflow, oldest.id AS first_run, oldest.created_at AS due_at,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS run
            WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
                AND run.workflow = waiting.workflow
            LIMIT :most
        ) AS counted
    ) AS found
FROM waiting
JOIN cloaca_run AS oldest ON oldest.id = (
    SELECT min(run.id) FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.behind IS NULL AND run.ended_at IS NULL
        AND run.workflow = waiting.workflow
)
WHERE waiting.workflow IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM cloaca_runner AS runner
    WHERE runner.fenced = 0 AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.owner = runner.id AND run.behind IS NULL AND run.ended_at IS NULL
            AND run.workflow = waiting.workflow
    )
)
UNION ALL
SELECT 'schedule', planned.workflow, '', (
        SELECT min(schedule.due_at) FROM cloaca_schedule AS schedule
        WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
            AND schedule.workflow = planned.workflow
    ),
    (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_schedule AS schedule
            WHERE schedule.enabled = 1 AND schedule.due_at IS NOT NULL
                AND schedule.workflow = planned.workflow
            LIMIT :most
        ) AS counted
    )
FROM planned
WHERE planned.workflow IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM cloaca_runner AS runner
    WHERE runner.fenced = 0 AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.owner = runner.id AND run.behind IS NULL AND run.ended_at IS NULL
            AND run.workflow = planned.workflow
    )
)
UNION ALL
SELECT 'runner', '', '', 0, count(*) FROM cloaca_runner AS runner
WHERE runner.fenced = 0 AND runner.id <> :runner_id;


-- name: list_events
-- What a trigger found and made a run for, newest first, with the end of the run if that is over.
SELECT event.id, event.trigger_id, event.context_hash, event.run_id, event.created_at,
    run.ended_at
FROM cloaca_event AS event
LEFT JOIN cloaca_run AS run ON run.id = event.run_id
WHERE event.trigger_id = :trigger_id
ORDER BY event.created_at DESC, event.id DESC LIMIT :limit OFFSET :offset;
