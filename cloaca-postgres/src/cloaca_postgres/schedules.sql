-- Statements about schedules that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * start_next: its plan. Runs are found by the run that they wait for, also when the statement was
--   planned for empty tables.
-- * start_after_cancelled: its plan, as that of start_next.


-- name: start_next
-- Free each run that waits behind one of these runs if that one has ended. If another earlier run
-- of its schedule (several run at once if the overlap policy was changed) or of its singleton key has
-- not ended, the run waits behind that one instead. The schedules and keys are locked, so no other
-- transaction can be about to end one of these runs or to put a run behind it. A deleted schedule
-- cannot be locked: its waiting runs are freed. Executed last, after the ends of runs. Answers the freed runs (see late_runs.py).
UPDATE cloaca_run AS next SET behind = coalesce((
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.schedule_id = next.schedule_id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.workflow = next.workflow
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
        AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = next.schedule_id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
), (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.workflow = next.workflow AND earlier.singleton_key = next.singleton_key
        AND earlier.singleton_key IS NOT NULL AND earlier.ended_at IS NULL
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
))
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
WHERE next.behind = ANY(ARRAY[wanted.id]) AND next.behind IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS before
        WHERE before.id = ANY(ARRAY[wanted.id]) AND +before.ended_at IS NULL
    )
RETURNING next.id;


-- name: start_after_cancelled
-- Let start what waits behind runs that mark_cancelled has named, by the rule of start_next. They can
-- be found as long as they have not ended.
UPDATE cloaca_run AS next SET behind = coalesce((
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.schedule_id = next.schedule_id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.status <> 'Cancelled' AND earlier.workflow = next.workflow
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
        AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = next.schedule_id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
), (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.workflow = next.workflow AND earlier.singleton_key = next.singleton_key
        AND earlier.singleton_key IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.status <> 'Cancelled'
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
))
FROM cloaca_run AS before
WHERE before.owner = :runner_id AND before.ended_at IS NULL AND before.cancel_at IS NOT NULL
    AND before.status = 'Cancelled'
    AND next.behind = ANY(ARRAY[before.id]) AND next.behind IS NOT NULL;
