-- Statements about runs that PostgreSQL words in its own way, by three rules that hold in the other
-- files as well, and why.
--
-- Rows: a step with rows is one statement: each parameter is the array of a column, unnest makes rows
-- of them again. A statement of its own per row costs five times as much on both sides.
--
-- Plans: they are made once, perhaps while the tables were empty, and must still be good when they
-- are not. So rows are found by "id = ANY (ARRAY[…])" where "id = …" would say the same: that can
-- only become a look into the key for each row, never a scan. The + before ended_at keeps the
-- partial indexes, which are small when nothing is known, from being scanned instead.
--
-- Locks, in this order: schedules, triggers, the runner, then runs by id, then their attempts. What a
-- runner writes holds its row FOR KEY SHARE, which lets it beat; fence takes that row FOR UPDATE. So
-- what is in flight when a runner is fenced is either seen by the takeover that follows or finds it
-- fenced.
--
-- * insert_run, insert_tag, record_attempt, end_run: rows. insert_run also passes over keys that a
--   user's transaction writes; of several rows for one attempt record_attempt writes one, as ON CONFLICT
--   cannot meet a row twice in one statement.
-- * find_keys: its list holds pairs, taken apart by ->>, for which PostgreSQL wants JSON; and its plan.
-- * lock_runs, fence_runs: locks, taken by id.
-- * claim: locks, and skips what others have locked: two runners that claim get different runs at once.
-- * list_runs_of_tag: its list holds pairs.


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


-- name: find_keys
-- Who has the idempotency keys of these new runs: (workflow, key, run id).
SELECT run.workflow, run.idempotency_key, run.id
FROM unnest(CAST(:keys AS TEXT[])) AS wanted
JOIN cloaca_run AS run
    ON run.workflow = ANY(ARRAY[CAST(wanted AS JSON) ->> 0])
    AND run.idempotency_key = ANY(ARRAY[CAST(wanted AS JSON) ->> 1]);


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
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes, reason_code
)
SELECT DISTINCT ON (new.run_id COLLATE "C", new.task_id COLLATE "C", new.attempt)
    new.run_id, new.task_id, new.attempt, new.epoch, new.status, new.change, new.error_type,
    new.error_message, new.error_traceback, new.skip_reason, new.started_at, new.ended_at,
    new.retry_at, new.crashes, new.reason_code
FROM unnest(
    CAST(:run_id AS TEXT[]), CAST(:task_id AS TEXT[]), CAST(:attempt AS BIGINT[]),
    CAST(:epoch AS BIGINT[]), CAST(:status AS TEXT[]), CAST(:change AS TEXT[]),
    CAST(:error_type AS TEXT[]), CAST(:error_message AS TEXT[]),
    CAST(:error_traceback AS TEXT[]), CAST(:skip_reason AS TEXT[]),
    CAST(:started_at AS BIGINT[]), CAST(:ended_at AS BIGINT[]), CAST(:retry_at AS BIGINT[]),
    CAST(:crashes AS BIGINT[]), CAST(:reason_code AS TEXT[]), CAST(:runner_id AS TEXT[]),
    CAST(:fence AS BIGINT[])
) WITH ORDINALITY AS new (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message, error_traceback,
    skip_reason, started_at, ended_at, retry_at, crashes, reason_code, runner_id, fence, place
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
    retry_at = excluded.retry_at, crashes = excluded.crashes,
    reason_code = excluded.reason_code
WHERE cloaca_attempt.status NOT IN ('Completed', 'Failed', 'Skipped', 'Cancelled');


-- name: end_run
-- The last write of runs that the runner still owns. They keep their owner, so that the same
-- batch sent again is answered as the first time.
UPDATE cloaca_run AS run
SET status = new.status, final_context = new.final_context, error_message = new.error_message,
    ended_at = new.ended_at, reason_code = new.reason_code, limit_seconds = new.limit_seconds
FROM unnest(
    CAST(:status AS TEXT[]), CAST(:final_context AS TEXT[]), CAST(:error_message AS TEXT[]),
    CAST(:ended_at AS BIGINT[]), CAST(:reason_code AS TEXT[]), CAST(:limit_seconds AS BIGINT[]),
    CAST(:id AS TEXT[]), CAST(:runner_id AS TEXT[]), CAST(:fence AS BIGINT[])
) AS new (
    status, final_context, error_message, ended_at, reason_code, limit_seconds, id, runner_id,
    fence
)
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
    run.started_at, run.ended_at, run.schedule_id, run.reason_code, run.limit_seconds;


-- name: list_runs_of_tag
-- The newest runs that have one tag, and further ones, in one state and of one workflow or
-- (NULL) any.
SELECT run.id, run.workflow, run.version, run.status, run.owner, run.epoch, run.recoveries,
    '' AS input, run.tags, run.parent_id, '' AS final_context, run.error_message,
    run.created_at, run.started_at, run.ended_at, run.schedule_id, run.reason_code,
    run.limit_seconds
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
