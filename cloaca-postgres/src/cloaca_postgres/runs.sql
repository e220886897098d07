-- Statements that PostgreSQL words in its own way.
--
-- A step with rows is one statement: each parameter is the array of a column, unnest makes rows of
-- them again. A statement of its own per row costs five times as much on both sides.
--
-- Their plans are made once, perhaps while the tables were empty, and must still be good when they
-- are not. So rows are found by "id = ANY (ARRAY[…])" where "id = …" would say the same: that can
-- only become a look into the key for each row, never a scan. The + before ended_at keeps the
-- partial indexes, which are small when nothing is known, from being scanned instead.
--
-- Locks, in this order: the runner, then runs by id, then their attempts. What a runner writes
-- holds its row FOR KEY SHARE, which lets it beat; fence takes that row FOR UPDATE. So what is in
-- flight when a runner is fenced is either seen by the takeover that follows or finds it fenced.


-- name: insert_run
-- Add runs. Each belongs to its owner from the start if that is a live runner, else to nobody.
-- Sent again, or with a taken idempotency key, one changes nothing. Keys are taken in their order:
-- two batches with the same ones would else wait for each other until the server finds that out.
-- A key that a user's transaction says it is writing (see outbox.sql) is passed over: to insert it
-- would wait for the end of that transaction. By the shared lock that the batch takes on a key such a
-- transaction knows that it must make way for the batch; other batches have that lock as well.
-- find_keys answers nothing for a key that was passed over, unless a run had it before.
-- A key that begins with the id of the run's own parent was made by the engine: no user's transaction
-- writes it, and the body of the parent waits for the run. So it is neither locked nor passed over.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
live AS MATERIALIZED (
    SELECT runner.id FROM cloaca_runner AS runner
    WHERE runner.id = ANY(CAST(:owner AS TEXT[])) AND runner.fenced = 0
    FOR KEY SHARE
)
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, created_at,
    owner, epoch, status, started_at
)
SELECT
    new.id, new.workflow, new.version, new.input, new.tags, new.idempotency_key, new.parent_id,
    new.created_at,
    live.id,
    CASE WHEN live.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN live.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN live.id IS NULL THEN NULL ELSE new.created_at END
FROM unnest(
    CAST(:id AS TEXT[]), CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]),
    CAST(:input AS TEXT[]), CAST(:tags AS TEXT[]), CAST(:idempotency_key AS TEXT[]),
    CAST(:parent_id AS TEXT[]), CAST(:created_at AS BIGINT[]), CAST(:owner AS TEXT[])
) AS new (id, workflow, version, input, tags, idempotency_key, parent_id, created_at, owner)
LEFT JOIN live ON live.id = new.owner
WHERE CASE
    WHEN new.idempotency_key IS NULL THEN TRUE
    WHEN starts_with(new.idempotency_key, new.parent_id || '::') THEN TRUE
    ELSE (SELECT pg_try_advisory_xact_lock_shared(hashtextextended('', value)) FROM seed)
        AND pg_try_advisory_xact_lock_shared(hashtextextended(
            new.idempotency_key COLLATE "C",
            hashtextextended(new.workflow COLLATE "C", (SELECT value FROM seed))
        ))
END
ORDER BY new.idempotency_key COLLATE "C", new.workflow COLLATE "C"
ON CONFLICT DO NOTHING;


-- name: insert_tag
-- Index tags of runs that were inserted (a run whose key was taken was not).
INSERT INTO cloaca_run_tag (run_id, tag, content)
SELECT new.run_id, new.tag, new.content
FROM unnest(CAST(:run_id AS TEXT[]), CAST(:tag AS TEXT[]), CAST(:content AS TEXT[]))
    AS new (run_id, tag, content)
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = ANY(ARRAY[new.run_id]) AND run.tags <> '{}'
)
ON CONFLICT DO NOTHING;


-- name: owned_runs
-- Which of these new runs belong to the runner that sent them, under their first epoch. Those of a
-- runner that was fenced since they were sent first are about to be taken over.
SELECT id FROM cloaca_run
WHERE id = ANY(CAST(:ids AS TEXT[])) AND owner = :runner_id AND epoch = 1
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0);


-- name: find_keys
-- Who has the idempotency keys of these new runs: (workflow, key, run id).
SELECT run.workflow, run.idempotency_key, run.id
FROM unnest(CAST(:keys AS TEXT[])) AS wanted
JOIN cloaca_run AS run
    ON run.workflow = ANY(ARRAY[CAST(wanted AS JSON) ->> 0])
    AND run.idempotency_key = ANY(ARRAY[CAST(wanted AS JSON) ->> 1]);


-- name: fence_runs
-- Lock these runs as far as the runner owns them, and say under which epoch. No other owner can
-- come, and nobody can fence the runner, before the transaction ends: what these rows say is what
-- the guards of its later statements find.
WITH live AS MATERIALIZED (
    SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0 FOR KEY SHARE
)
SELECT run.id, run.epoch
FROM live
CROSS JOIN unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_run AS run ON run.id = ANY(ARRAY[wanted.id]) AND run.owner = live.id
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF run;


-- name: record_attempt
-- Write what became of attempts whose runs the runner still owns. A final row stays. Of several
-- rows for one attempt the first final one counts, else the last.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes
)
SELECT DISTINCT ON (new.run_id COLLATE "C", new.task_id COLLATE "C", new.attempt)
    new.run_id, new.task_id, new.attempt, new.epoch, new.status, new.change, new.error_type,
    new.error_message, new.error_traceback, new.skip_reason, new.started_at, new.ended_at,
    new.retry_at, new.crashes
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:attempt AS BIGINT[]),
    CAST(:epoch AS BIGINT[]), CAST(:status AS TEXT[]), CAST(:change AS TEXT[]),
    CAST(:error_type AS TEXT[]), CAST(:error_message AS TEXT[]),
    CAST(:error_traceback AS TEXT[]), CAST(:skip_reason AS TEXT[]),
    CAST(:started_at AS BIGINT[]), CAST(:ended_at AS BIGINT[]), CAST(:retry_at AS BIGINT[]),
    CAST(:crashes AS BIGINT[]), CAST(:runner_id AS TEXT[]), CAST(:fence AS BIGINT[])
) WITH ORDINALITY AS new (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message, error_traceback,
    skip_reason, started_at, ended_at, retry_at, crashes, runner_id, fence, place
)
JOIN cloaca_run AS run
    ON run.id = ANY(ARRAY[new.run_id]) AND run.owner = new.runner_id AND run.epoch = new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
ORDER BY
    new.run_id COLLATE "C", new.task_id COLLATE "C", new.attempt,
    CASE WHEN new.status IN ('Completed', 'Failed', 'Skipped', 'Cancelled') THEN 0 ELSE 1 END,
    CASE WHEN new.status IN ('Completed', 'Failed', 'Skipped', 'Cancelled')
        THEN new.place ELSE -new.place END
ON CONFLICT (run_id, task_id, attempt) DO UPDATE SET
    epoch = excluded.epoch, status = excluded.status, change = excluded.change,
    error_type = excluded.error_type, error_message = excluded.error_message,
    error_traceback = excluded.error_traceback, skip_reason = excluded.skip_reason,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    retry_at = excluded.retry_at, crashes = excluded.crashes
WHERE cloaca_attempt.status NOT IN ('Completed', 'Failed', 'Skipped', 'Cancelled');


-- name: end_run
-- The last write of runs that the runner still owns. They keep their owner, so that the same
-- batch sent again is answered as the first time.
UPDATE cloaca_run AS run
SET status = new.status, final_context = new.final_context, error_message = new.error_message,
    ended_at = new.ended_at
FROM unnest(
    CAST(:status AS TEXT[]), CAST(:final_context AS TEXT[]), CAST(:error_message AS TEXT[]),
    CAST(:ended_at AS BIGINT[]), CAST(:id AS TEXT[]), CAST(:runner_id AS TEXT[]),
    CAST(:fence AS BIGINT[])
) AS new (status, final_context, error_message, ended_at, id, runner_id, fence)
JOIN cloaca_runner AS runner ON runner.id = new.runner_id AND runner.fenced = 0
WHERE run.id = ANY(ARRAY[new.id]) AND run.owner = new.runner_id AND run.epoch = new.fence
    AND +run.ended_at IS NULL;


-- name: claim
-- Make the oldest claimable runs of these workflows the runner's own. For each workflow at most
-- :limit entries of the index are read and locked, however many runs wait.
WITH live AS MATERIALIZED (
    SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0 FOR KEY SHARE
),
waiting AS MATERIALIZED (
    SELECT run.id
    FROM live, unnest(CAST(:workflows AS TEXT[])) AS wanted (workflow)
    CROSS JOIN LATERAL (
        SELECT candidate.id FROM cloaca_run AS candidate
        WHERE candidate.owner IS NULL AND candidate.ended_at IS NULL
            AND candidate.behind IS NULL AND candidate.workflow = wanted.workflow
        ORDER BY candidate.id LIMIT :limit
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS run
),
oldest AS MATERIALIZED (SELECT id FROM waiting ORDER BY id LIMIT :limit)
UPDATE cloaca_run AS run
SET owner = live.id, epoch = run.epoch + 1, status = 'Running',
    started_at = coalesce(run.started_at, :now)
FROM oldest, live
WHERE run.id = ANY(ARRAY[oldest.id]) AND run.owner IS NULL AND +run.ended_at IS NULL
RETURNING run.id, run.workflow, run.version, run.status, run.owner, run.epoch, run.recoveries,
    run.input, run.tags, run.parent_id, run.final_context, run.error_message, run.created_at,
    run.started_at, run.ended_at, run.schedule_id;


-- name: has_claimable
-- Whether a claim would find anything: one look into the index for each workflow.
SELECT EXISTS (
    SELECT 1
    FROM unnest(CAST(:workflows AS TEXT[])) AS wanted (workflow)
    CROSS JOIN LATERAL (
        SELECT 1 FROM cloaca_run AS candidate
        WHERE candidate.owner IS NULL AND candidate.ended_at IS NULL
            AND candidate.behind IS NULL AND candidate.workflow = wanted.workflow
        LIMIT 1
    ) AS run
);


-- name: load_attempts
-- Everything known of the tasks of these runs.
SELECT run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes
FROM cloaca_attempt WHERE run_id = ANY(CAST(:ids AS TEXT[]))
ORDER BY run_id, task_id, attempt;


-- name: shut_out
-- Wait for whatever this runner is writing at the moment, and let it write nothing more until the
-- transaction ends: all of that holds its row.
SELECT id FROM cloaca_runner WHERE id = :runner_id FOR UPDATE;


-- name: release
-- Give back what a runner owns beside these runs; no crash is counted.
WITH mine AS MATERIALIZED (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL
        AND run.id NOT IN (SELECT held FROM unnest(CAST(:held AS TEXT[])) AS held)
    ORDER BY run.id
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_run AS run SET owner = NULL, epoch = run.epoch + 1
FROM mine
WHERE run.id = ANY(ARRAY[mine.id]) AND run.owner = :runner_id AND +run.ended_at IS NULL
RETURNING run.id;


-- name: fence
-- Declare a runner dead if it has not beaten since :seen_beat. A row is the answer "it is".
WITH doomed AS MATERIALIZED (
    SELECT id FROM cloaca_runner
    WHERE id = :id AND (beat = :seen_beat OR fenced = 1)
    FOR UPDATE
)
UPDATE cloaca_runner AS runner SET fenced = 1
FROM doomed
WHERE runner.id = doomed.id
RETURNING runner.id;


-- name: count_crashes
-- First half of a takeover: lock the oldest runs of a fenced runner and blame the attempts that
-- were running in the dead process. take_over_runs finds the same runs: nobody else can free
-- what is locked, and a fenced runner gets no more.
WITH doomed AS MATERIALIZED (
    SELECT run.id, run.epoch FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL
        AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
    ORDER BY run.id LIMIT :limit
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_attempt AS attempt SET crashes = attempt.crashes + 1
FROM doomed
WHERE attempt.run_id = ANY(ARRAY[doomed.id]) AND attempt.epoch = doomed.epoch
    AND attempt.status = 'Running';


-- name: take_over_runs
-- Second half: free them.
WITH doomed AS MATERIALIZED (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL
        AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 1)
    ORDER BY run.id LIMIT :limit
    FOR NO KEY UPDATE OF run
)
UPDATE cloaca_run AS run
SET owner = NULL, epoch = run.epoch + 1, recoveries = run.recoveries + 1
FROM doomed
WHERE run.id = ANY(ARRAY[doomed.id]) AND run.owner = :runner_id AND +run.ended_at IS NULL
RETURNING run.id;


-- name: ended_runs
-- Those of these runs that are over.
SELECT id, workflow, version, status, owner, epoch, recoveries, input, tags, parent_id,
    final_context, error_message, created_at, started_at, ended_at, schedule_id
FROM cloaca_run WHERE id = ANY(CAST(:ids AS TEXT[])) AND ended_at IS NOT NULL
ORDER BY id;


-- name: list_runs_of_tag
-- The newest runs that have one tag, and further ones, in one state and of one workflow or
-- (NULL) any.
SELECT run.id, run.workflow, run.version, run.status, run.owner, run.epoch, run.recoveries,
    '' AS input, run.tags, run.parent_id, '' AS final_context, run.error_message,
    run.created_at, run.started_at, run.ended_at, run.schedule_id
FROM cloaca_run_tag AS first_tag
JOIN cloaca_run AS run ON run.id = first_tag.run_id
WHERE first_tag.tag = :tag AND first_tag.content = :content AND first_tag.run_id < :before
    AND (CAST(:status AS TEXT) IS NULL OR run.status = CAST(:status AS TEXT))
    AND (CAST(:workflow AS TEXT) IS NULL OR run.workflow = CAST(:workflow AS TEXT))
    AND NOT EXISTS (
        SELECT 1 FROM unnest(CAST(:others AS TEXT[])) AS other
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run_tag AS has
            WHERE has.run_id = run.id AND has.tag = CAST(other AS JSON) ->> 0
                AND has.content = CAST(other AS JSON) ->> 1
        )
    )
ORDER BY first_tag.run_id DESC LIMIT :limit;


-- name: lock_schedules
-- Lock these schedules by id: who else decides their ticks waits, and then finds that they have
-- gone on; so does who ends one of their runs. Before the runner and the runs; nothing that holds
-- those asks for schedules.
SELECT schedule.id, schedule.generation
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_schedule AS schedule ON schedule.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF schedule;


-- name: lock_runs
-- Lock these runs, whoever owns them, and before them the runner that this transaction writes for:
-- in the order in which everybody takes them, whatever the statements after this one want.
WITH live AS MATERIALIZED (
    SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0 FOR KEY SHARE
)
SELECT run.id
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
LEFT JOIN live ON TRUE
JOIN cloaca_run AS run ON run.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF run;


-- name: cancel_run
-- End runs that make way for the runs of ticks, as far as those are there. Whoever owned one finds
-- another epoch, and nothing that it still sends is written.
UPDATE cloaca_run AS run
SET status = 'Cancelled', final_context = run.input, error_message = old.error_message,
    ended_at = old.ended_at, owner = NULL, epoch = run.epoch + 1, behind = NULL
FROM unnest(
    CAST(:id AS TEXT[]), CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]),
    CAST(:tick_run AS TEXT[]), CAST(:error_message AS TEXT[]), CAST(:ended_at AS BIGINT[])
) AS old (id, schedule_id, tick, tick_run, error_message, ended_at)
JOIN cloaca_tick AS decided
    ON decided.schedule_id = ANY(ARRAY[old.schedule_id]) AND decided.tick = ANY(ARRAY[old.tick])
    AND decided.run_id = old.tick_run
WHERE run.id = ANY(ARRAY[old.id]) AND +run.ended_at IS NULL;


-- name: insert_tick
-- Decide ticks, if their schedules still are what the decisions were made from. A back-filled one
-- (generation NULL) was decided by a person, whatever its schedule has come to.
INSERT INTO cloaca_tick (schedule_id, tick, run_id, outcome, created_at)
SELECT new.schedule_id, new.tick, new.run_id, new.outcome, new.created_at
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]), CAST(:run_id AS TEXT[]),
    CAST(:outcome AS TEXT[]), CAST(:created_at AS BIGINT[]), CAST(:generation AS BIGINT[])
) AS new (schedule_id, tick, run_id, outcome, created_at, generation)
JOIN cloaca_schedule AS schedule
    ON schedule.id = ANY(ARRAY[new.schedule_id]) AND (
        new.generation IS NULL
        OR (schedule.generation = new.generation AND schedule.enabled = 1)
    )
ON CONFLICT DO NOTHING;


-- name: take_dropped_tick
-- Back-fill ticks that were decided and made no run.
UPDATE cloaca_tick AS dropped
SET run_id = new.run_id, outcome = new.outcome, created_at = new.created_at
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[]), CAST(:run_id AS TEXT[]),
    CAST(:outcome AS TEXT[]), CAST(:created_at AS BIGINT[])
) AS new (schedule_id, tick, run_id, outcome, created_at)
JOIN cloaca_schedule AS schedule ON schedule.id = ANY(ARRAY[new.schedule_id])
WHERE dropped.schedule_id = ANY(ARRAY[new.schedule_id]) AND dropped.tick = ANY(ARRAY[new.tick])
    AND dropped.run_id IS NULL;


-- name: insert_tick_run
-- Add the runs of ticks that are ours. They belong to nobody yet. A back-filled one is not among
-- those that its schedule's next ticks meet: a person has asked for it, however many there are.
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, created_at, epoch, status, schedule_id, behind
)
SELECT
    new.run_id, new.workflow, new.version, new.input, '{}', new.created_at, 0, 'Pending',
    CASE WHEN new.generation IS NULL THEN NULL ELSE new.schedule_id END, new.behind
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:workflow AS TEXT[]), CAST(:version AS TEXT[]),
    CAST(:input AS TEXT[]), CAST(:created_at AS BIGINT[]), CAST(:schedule_id AS TEXT[]),
    CAST(:tick AS BIGINT[]), CAST(:behind AS TEXT[]), CAST(:generation AS BIGINT[])
) AS new (run_id, workflow, version, input, created_at, schedule_id, tick, behind, generation)
JOIN cloaca_tick AS decided
    ON decided.schedule_id = ANY(ARRAY[new.schedule_id]) AND decided.tick = ANY(ARRAY[new.tick])
    AND decided.run_id = new.run_id
ON CONFLICT DO NOTHING;


-- name: insert_lost
-- Count ticks that will never run, if their schedules still are what was decided from.
INSERT INTO cloaca_lost (schedule_id, decided_until, ticks, created_at)
SELECT new.schedule_id, new.decided_until, new.lost, new.decided_at
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:decided_until AS BIGINT[]), CAST(:lost AS BIGINT[]),
    CAST(:decided_at AS BIGINT[]), CAST(:generation AS BIGINT[])
) AS new (schedule_id, decided_until, lost, decided_at, generation)
JOIN cloaca_schedule AS schedule
    ON schedule.id = ANY(ARRAY[new.schedule_id]) AND schedule.generation = new.generation
    AND schedule.enabled = 1
ON CONFLICT DO NOTHING;


-- name: advance_schedule
-- Last: go on to the next ticks, if the schedules still are what was decided from.
UPDATE cloaca_schedule AS schedule
SET decided_until = new.decided_until, next_tick = new.next_tick, due_at = new.due_at,
    last_tick = coalesce(new.last_tick, schedule.last_tick), generation = schedule.generation + 1
FROM unnest(
    CAST(:schedule_id AS TEXT[]), CAST(:generation AS BIGINT[]), CAST(:decided_until AS BIGINT[]),
    CAST(:next_tick AS BIGINT[]), CAST(:due_at AS BIGINT[]), CAST(:last_tick AS BIGINT[])
) AS new (schedule_id, generation, decided_until, next_tick, due_at, last_tick)
WHERE schedule.id = ANY(ARRAY[new.schedule_id]) AND schedule.generation = new.generation
    AND schedule.enabled = 1;


-- name: outdate_schedule
-- Ticks were back-filled that their schedules have not come to: whoever has decided those already, as
-- if they were to make runs that the next ticks meet, decides anew.
UPDATE cloaca_schedule AS schedule SET generation = schedule.generation + 1
FROM unnest(CAST(:schedule_id AS TEXT[]), CAST(:tick AS BIGINT[])) AS new (schedule_id, tick)
WHERE schedule.id = ANY(ARRAY[new.schedule_id]) AND schedule.enabled = 1
    AND schedule.decided_until < new.tick;


-- name: start_next
-- Last: let what waits behind these runs start, unless they are under way, or another earlier one is:
-- several run side by side where the policy did not always say that they queue. Their schedules are
-- locked: nobody else can be about to end one of them, or to put another run behind it. A schedule
-- that is gone cannot be, so nobody is put behind another run of one.
UPDATE cloaca_run AS next SET behind = (
    SELECT earlier.id
    FROM cloaca_run AS earlier
    WHERE earlier.schedule_id = next.schedule_id
        AND earlier.schedule_id IS NOT NULL AND earlier.ended_at IS NULL
        AND earlier.workflow = next.workflow
        AND (earlier.created_at, earlier.id) < (next.created_at, next.id)
        AND EXISTS (SELECT 1 FROM cloaca_schedule WHERE id = next.schedule_id)
    ORDER BY earlier.created_at DESC, earlier.id DESC LIMIT 1
)
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
WHERE next.behind = ANY(ARRAY[wanted.id]) AND next.behind IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_run AS before
        WHERE before.id = ANY(ARRAY[wanted.id]) AND +before.ended_at IS NULL
    );


-- name: list_under_way
-- Runs of these schedules, as they are now, that have not ended, in the order of their ticks. Those
-- of the workflow that a schedule had before may be nobody's any more, and would be met for ever.
SELECT run.schedule_id, run.id
FROM unnest(CAST(:schedule_ids AS TEXT[])) AS wanted (id)
JOIN cloaca_schedule AS schedule ON schedule.id = ANY(ARRAY[wanted.id])
JOIN cloaca_run AS run ON run.schedule_id = ANY(ARRAY[wanted.id])
WHERE run.schedule_id IS NOT NULL AND run.ended_at IS NULL AND run.workflow = schedule.workflow
ORDER BY run.schedule_id, run.created_at, run.id;


-- name: next_due
-- When the first schedule of these workflows is due: one look into the index for each workflow.
SELECT min(soonest.due_at)
FROM unnest(CAST(:workflows AS TEXT[])) AS wanted (workflow)
CROSS JOIN LATERAL (
    SELECT first.due_at FROM cloaca_schedule AS first
    WHERE first.workflow = wanted.workflow AND first.enabled = 1 AND first.due_at IS NOT NULL
    ORDER BY first.due_at LIMIT 1
) AS soonest;


-- name: due_schedules
-- Schedules of these workflows that are due, those first that have been for longest.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at
FROM cloaca_schedule
WHERE workflow = ANY(CAST(:workflows AS TEXT[])) AND enabled = 1
    AND due_at IS NOT NULL AND due_at <= :now
ORDER BY due_at, id LIMIT :limit;


-- name: schedules_ahead
-- Schedules of these workflows whose ticks were decided beyond an instant, each with the newest of its
-- ticks up to now that was.
SELECT id, name, workflow, cron_expression, timezone, enabled, catchup_policy, overlap_policy,
    jitter_seconds, start_date, end_date, params, decided_until, next_tick, due_at, last_tick,
    generation, created_at, updated_at, (
        SELECT max(tick) FROM cloaca_tick
        WHERE schedule_id = cloaca_schedule.id AND tick <= :now
    )
FROM cloaca_schedule
WHERE workflow = ANY(CAST(:workflows AS TEXT[])) AND enabled = 1
    AND decided_until > :edge
ORDER BY id LIMIT :limit;


-- name: find_ticks
-- Which of these ticks of a schedule were decided, and what became of them.
SELECT schedule_id, tick, run_id, outcome, created_at
FROM cloaca_tick
WHERE schedule_id = :schedule_id AND tick = ANY(CAST(:ticks AS BIGINT[]))
ORDER BY tick;


-- name: lock_triggers
-- Lock these triggers by id: who else fires them waits, and then sees the runs that are there. After
-- schedules, before the runner and the runs; nothing that holds those asks for triggers.
SELECT known.id
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_trigger AS known ON known.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF known;


-- name: triggers_named
-- The triggers of these names.
SELECT id, name, workflow, poll_interval_ms, cron_expression, timezone, allow_concurrent, enabled,
    last_poll_at, next_poll_at, generation, created_at, updated_at
FROM cloaca_trigger WHERE name = ANY(CAST(:names AS TEXT[]));


-- name: known_events
-- Which of these keys events of a trigger have.
SELECT event_key FROM cloaca_event
WHERE trigger_id = :trigger_id AND event_key = ANY(CAST(:keys AS TEXT[]));
