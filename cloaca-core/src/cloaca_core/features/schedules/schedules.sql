-- Schedules, their ticks, and the runs of ticks. Read the head of store/sql/runs.sql first.


-- name: lock_schedules
-- Lock these schedules by id, and find their generations. Another transaction that decides their ticks
-- waits here, and then finds that they have gone on; one that ends their runs waits as well. Executed
-- before the runner and runs are locked: no transaction that holds those waits for a schedule.
SELECT id, generation FROM cloaca_schedule
WHERE id IN :ids
ORDER BY id
FOR NO KEY UPDATE;


-- name: insert_tick
-- Record the decisions about ticks, if the schedules' generations are still the ones that the
-- decisions were based on. A user asked for a back-filled tick (:new.generation NULL): for that one the
-- schedule need only exist. Ticks up to the mark of those that were forgotten are not recorded.
INSERT INTO cloaca_tick (schedule_id, tick, run_id, outcome, created_at)
SELECT :new.schedule_id, :new.tick, :new.run_id, :new.outcome, :new.created_at
FROM :rows AS new, cloaca_schedule AS schedule
WHERE schedule.id IN [:new.schedule_id] AND :new.tick > coalesce(schedule.pruned_until, -1) AND (
        :new.generation IS NULL
        OR (schedule.generation = :new.generation AND schedule.enabled = 1)
    )
ON CONFLICT DO NOTHING;


-- name: take_dropped_tick
-- Give runs to back-filled ticks that were decided without one.
UPDATE cloaca_tick AS dropped
SET run_id = :new.run_id, outcome = :new.outcome, created_at = :new.created_at
FROM :rows AS new
WHERE dropped.schedule_id IN [:new.schedule_id] AND dropped.tick IN [:new.tick]
    AND dropped.run_id IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_schedule AS schedule
        WHERE schedule.id IN [:new.schedule_id]
            AND :new.tick > coalesce(schedule.pruned_until, -1)
    );


-- name: insert_tick_run
-- Add the runs of ticks whose rows name these runs. They have no owner yet. The run of a
-- back-filled tick is not linked to its schedule, so the overlap policy does not count it: a user
-- asked for these runs, however many there are.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, claimable_at, time_limit, queue, asked_queue,
    epoch, status, schedule_id, behind
)
SELECT
    :new.run_id, :new.workflow, :new.version, :new.input, '{}', :new.created_at, :new.created_at,
    :new.time_limit, coalesce(:new.queue, (
        SELECT known.queue FROM cloaca_workflow AS known WHERE known.workflow = :new.workflow
    ), 'default'), :new.asked_queue, 0, 'Pending',
    CASE WHEN :new.generation IS NULL THEN NULL ELSE :new.schedule_id END, :new.behind
FROM :rows AS new, cloaca_tick AS decided
WHERE decided.schedule_id IN [:new.schedule_id] AND decided.tick IN [:new.tick]
    AND decided.run_id = :new.run_id
ON CONFLICT DO NOTHING;


-- name: insert_lost
-- Count ticks that will never run, if the schedules' generations are still the ones that the
-- decisions were based on.
INSERT INTO cloaca_lost (schedule_id, decided_until, ticks, created_at)
SELECT :new.schedule_id, :new.decided_until, :new.lost, :new.decided_at
FROM :rows(lost:int, decided_at:int) AS new, cloaca_schedule AS schedule
WHERE schedule.id IN [:new.schedule_id] AND schedule.generation = :new.generation
    AND schedule.enabled = 1
ON CONFLICT DO NOTHING;


-- name: advance_schedule
-- Go on to the next ticks, if the schedules' generations are still the ones that the decisions were
-- based on. Executed after insert_tick and insert_lost, which check the generations that this
-- changes.
UPDATE cloaca_schedule AS schedule
SET decided_until = :new.decided_until, next_tick = :new.next_tick, due_at = :new.due_at,
    last_tick = coalesce(:new.last_tick, schedule.last_tick), generation = schedule.generation + 1
FROM :rows AS new
WHERE schedule.id IN [:new.schedule_id] AND schedule.generation = :new.generation
    AND schedule.enabled = 1;


-- name: outdate_schedule
-- Raise the generations of schedules when ticks are back-filled that they have not reached. A
-- runner that has decided these ticks already, and counts their runs for the overlap policy, then
-- has to decide again.
UPDATE cloaca_schedule AS schedule SET generation = schedule.generation + 1
FROM :rows AS new
WHERE schedule.id IN [:new.schedule_id] AND schedule.enabled = 1
    AND schedule.decided_until < :new.tick;


-- name: cancel_run
-- Cancel runs in favour of the runs of ticks, as far as those exist. The epochs change, so later
-- writes of the previous owners have no effect. Their children are to be cancelled next.
UPDATE cloaca_run AS run
SET status = 'Cancelled', error_message = :old.error_message,
    ended_at = :old.ended_at, owner = NULL, epoch = run.epoch + 1, behind = NULL, due_at = NULL,
    reason_code = 'cancelled_by_schedule', steer_reason = :old.error_message,
    children_at = :old.children_at, cancels_children = 1
FROM :rows(tick_run:text) AS old
WHERE run.id IN [:old.id] AND +run.ended_at IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_tick AS decided
        WHERE decided.schedule_id IN [:old.schedule_id] AND decided.tick IN [:old.tick]
            AND decided.run_id = :old.tick_run
    );


-- name: start_next
-- Free each run that waits behind one of these runs if that one has ended. If another earlier run
-- of its schedule (several run at once if the overlap policy was changed) or of its singleton key has
-- not ended, the run waits behind that one instead. A deleted schedule cannot be locked, so
-- transactions that end its runs at once do not see each other's changes: its waiting runs are freed.
-- Executed last, after the ends of runs.
UPDATE cloaca_run SET behind = coalesce((
    SELECT earlier.id
    FROM cloaca_schedule AS schedule
    CROSS JOIN cloaca_run AS earlier
    WHERE schedule.id = cloaca_run.schedule_id AND earlier.schedule_id = schedule.id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.workflow = cloaca_run.workflow
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
), (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.workflow = cloaca_run.workflow AND earlier.singleton_key = cloaca_run.singleton_key
        AND earlier.singleton_key IS NOT NULL AND earlier.ended_at IS NULL
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
))
WHERE behind IS NOT NULL AND behind IN (
        SELECT wanted.value FROM :ids AS wanted
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.id = wanted.value AND before.ended_at IS NULL
        )
    );


-- name: start_after_cancelled
-- Let start what waits behind runs that mark_cancelled has named, by the rule of start_next. They can
-- be found as long as they have not ended.
UPDATE cloaca_run SET behind = coalesce((
    SELECT earlier.id
    FROM cloaca_schedule AS schedule
    CROSS JOIN cloaca_run AS earlier
    WHERE schedule.id = cloaca_run.schedule_id AND earlier.schedule_id = schedule.id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.status <> 'Cancelled' AND earlier.workflow = cloaca_run.workflow
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
), (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.workflow = cloaca_run.workflow AND earlier.singleton_key = cloaca_run.singleton_key
        AND earlier.singleton_key IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.status <> 'Cancelled'
        AND (earlier.created_at, earlier.id) < (cloaca_run.created_at, cloaca_run.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
))
WHERE behind IS NOT NULL AND behind IN (
    SELECT before.id FROM cloaca_run AS before
    WHERE before.owner = :runner_id AND before.ended_at IS NULL AND before.cancel_at IS NOT NULL
        AND before.status = 'Cancelled'
);


-- name: note_put_schedule
-- Note that a schedule is added or changed, unless there is one of its name with these settings: a
-- program that registers its schedules at each start asks for nothing new. Executed before
-- put_schedule.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :act_id, '', :act_workflow, 0, :act_kind, :asked_by, CAST(:act_reason AS TEXT), 1, :acted_at
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_schedule
    WHERE name = CAST(:name AS TEXT) AND workflow = :workflow
        AND cron_expression = :cron_expression AND timezone = :timezone
        AND catchup_policy = :catchup_policy AND overlap_policy = :overlap_policy
        AND jitter_seconds = :jitter_seconds AND params = :params
        AND start_date IS NOT DISTINCT FROM CAST(:start_date AS BIGINT)
        AND end_date IS NOT DISTINCT FROM CAST(:end_date AS BIGINT)
        AND time_limit IS NOT DISTINCT FROM CAST(:time_limit AS BIGINT)
        AND queue IS NOT DISTINCT FROM CAST(:queue AS TEXT)
)
ON CONFLICT DO NOTHING;


-- name: note_schedule_act
-- Note an act on a schedule, if it is there and (unless :generation is NULL) in this generation.
-- Executed after lock_schedules and before the change.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :act_id, '', :act_workflow, 0, :act_kind, :asked_by, CAST(:act_reason AS TEXT), 1, :acted_at
WHERE EXISTS (
    SELECT 1 FROM cloaca_schedule
    WHERE id = :id AND generation = coalesce(CAST(:generation AS BIGINT), generation)
)
ON CONFLICT DO NOTHING;


-- name: put_schedule
-- Add a schedule, or change the one that has this name. If its ticks stay the same, it goes on
-- where it was: a program that registers its schedules at each start misses no tick. With another
-- jitter, the next tick may be due sooner than due_at says, so due_at becomes now, and a runner
-- looks at once.
INSERT INTO cloaca_schedule (
    id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at, time_limit, queue
)
VALUES (
    :id, CAST(:name AS TEXT), :workflow, :cron_expression, :timezone, :enabled, :catchup_policy,
    :overlap_policy, :jitter_seconds, CAST(:start_date AS BIGINT), CAST(:end_date AS BIGINT),
    :params, :decided_until, CAST(:next_tick AS BIGINT), CAST(:due_at AS BIGINT), NULL, 0,
    :created_at, :created_at, CAST(:time_limit AS BIGINT), CAST(:queue AS TEXT)
)
ON CONFLICT (name) DO UPDATE SET
    workflow = excluded.workflow, cron_expression = excluded.cron_expression,
    timezone = excluded.timezone, catchup_policy = excluded.catchup_policy,
    overlap_policy = excluded.overlap_policy, jitter_seconds = excluded.jitter_seconds,
    start_date = excluded.start_date, end_date = excluded.end_date, params = excluded.params,
    time_limit = excluded.time_limit, queue = excluded.queue, updated_at = excluded.updated_at,
    generation = cloaca_schedule.generation + 1,
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
-- Read one schedule.
SELECT :columns(schedule)
FROM cloaca_schedule WHERE id = :id;


-- name: get_schedule_named
-- Read the schedule that has this name.
SELECT :columns(schedule)
FROM cloaca_schedule WHERE name = :name;


-- name: list_schedules
-- List schedules in the order of their workflows: all, or (:enabled_only 1) those that are enabled.
-- Every workflow is greater than '': the condition only makes the planner use the index that has
-- this order.
SELECT :columns(schedule)
FROM cloaca_schedule WHERE workflow > '' AND enabled >= :enabled_only
ORDER BY workflow, id LIMIT :limit OFFSET :offset;


-- name: change_schedule
-- Change the settings of a schedule, and whether it ticks, if its generation is still :generation.
UPDATE cloaca_schedule
SET workflow = :workflow, cron_expression = :cron_expression, timezone = :timezone,
    enabled = :enabled, catchup_policy = :catchup_policy, overlap_policy = :overlap_policy,
    jitter_seconds = :jitter_seconds, start_date = :start_date, end_date = :end_date,
    params = :params, time_limit = :time_limit, queue = :queue,
    decided_until = :decided_until, next_tick = :next_tick, due_at = :due_at,
    updated_at = :updated_at, generation = generation + 1
WHERE id = :id AND generation = :generation
RETURNING id;


-- name: delete_schedule
-- Delete a schedule. Its ticks stay, as the history of its runs.
DELETE FROM cloaca_schedule WHERE id = :id;


-- name: next_due
-- Find when the first schedule of these workflows is due, with one index look-up for each workflow.
SELECT min((
    SELECT first.due_at FROM cloaca_schedule AS first
    WHERE first.workflow = wanted.value AND first.enabled = 1 AND first.due_at IS NOT NULL
    ORDER BY first.due_at LIMIT 1
))
FROM :workflows AS wanted;


-- name: due_schedules
-- Read schedules of these workflows that are due, the longest overdue first.
SELECT :columns(schedule)
FROM cloaca_schedule
WHERE workflow IN :workflows AND enabled = 1
    AND due_at IS NOT NULL AND due_at <= :now
ORDER BY due_at, id LIMIT :limit;


-- name: schedules_ahead
-- Read enabled schedules of these workflows whose ticks are decided until later than :edge, each
-- with its newest decided tick up to :now.
SELECT :columns(schedule), (
        SELECT max(tick) FROM cloaca_tick
        WHERE schedule_id = cloaca_schedule.id AND tick <= :now
    )
FROM cloaca_schedule
WHERE workflow IN :workflows AND enabled = 1
    AND decided_until > :edge
ORDER BY id LIMIT :limit;


-- name: list_under_way
-- List unfinished runs of these schedules, oldest first. Runs of a workflow that a schedule had
-- before do not count: possibly no runner has that workflow any more, and they would hold up the
-- schedule's ticks for ever. Both tables are restricted to these schedules, so no others are read,
-- in whichever order the planner joins them.
SELECT run.schedule_id, run.id
FROM cloaca_schedule AS schedule
CROSS JOIN cloaca_run AS run
WHERE schedule.id IN :schedule_ids AND run.schedule_id IN :schedule_ids
    AND run.schedule_id = schedule.id AND run.schedule_id IS NOT NULL AND run.ended_at IS NULL
    AND run.workflow = schedule.workflow
ORDER BY run.schedule_id, run.created_at, run.id;


-- name: list_ticks
-- List the decided ticks of a schedule with their outcomes, newest first.
SELECT :columns(tick)
FROM cloaca_tick
WHERE schedule_id = :schedule_id AND NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone WHERE gone.root_id = cloaca_tick.run_id
)
ORDER BY tick DESC LIMIT :limit OFFSET :offset;


-- name: find_ticks
-- Read those of these ticks of a schedule that were decided, with their outcomes.
SELECT :columns(tick)
FROM cloaca_tick
WHERE schedule_id = :schedule_id AND tick IN :ticks
ORDER BY tick;


-- name: count_ticks
-- Count the ticks that were decided since an instant: those that have a run, and those that have
-- none.
SELECT
    count(run_id),
    count(*) - count(run_id) + (
        SELECT coalesce(CAST(sum(ticks) AS BIGINT), 0) FROM cloaca_lost WHERE created_at >= :since
    )
FROM cloaca_tick WHERE created_at >= :since;
