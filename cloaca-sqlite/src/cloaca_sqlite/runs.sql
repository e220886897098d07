-- Statements about runs that SQLite words in its own way, and why.
--
-- * insert_plain_run, record_attempt: VALUES may be repeated (see driver.py). One execution then writes
--   many rows, and opens the table and its twenty indexes once for all of them.
-- * insert_plain_run, record_attempt, claim: OR FAIL. An error undoes the whole transaction, so none
--   needs the copies of pages that SQLite makes to undo one statement; it writes them to a file when
--   there are many.
-- * find_keys, list_runs_of_tag: their list holds pairs, which ->> takes apart. SQLite applies it
--   to text; PostgreSQL needs a cast to JSON, which in SQLite would be a cast to a number.
-- * claim: a + keeps SQLite from using an index that would read every waiting run. PostgreSQL skips runs
--   that other transactions have locked.
-- * claim, get_run, ended_runs, list_rounds: an empty text stands for a payload that is in cloaca_payload.
-- * list_active_runs, count_active_runs: SQLite chooses an index without knowing the values and would
--   take the primary key; INDEXED BY names the small ones.


-- name: insert_plain_run
-- Add runs as insert_run does, those without a parent and without any option of their start: the columns
-- that are not named keep their defaults. Nearly all runs are such.
WITH new (id, workflow, version, input, tags, idempotency_key, created_at, owner) AS (
    VALUES (:id, :workflow, :version, :input, :tags, :idempotency_key, :created_at, :owner)
)
INSERT OR FAIL INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, created_at, claimable_at, owner, epoch, status,
    started_at
)
SELECT
    new.id, new.workflow, new.version, new.input, new.tags, new.idempotency_key, new.created_at,
    new.created_at, runner.id,
    CASE WHEN runner.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN runner.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN runner.id IS NULL THEN NULL ELSE new.created_at END
FROM new
LEFT JOIN cloaca_runner AS runner
    ON runner.id = new.owner AND runner.fenced = 0
        AND NOT EXISTS (SELECT 1 FROM cloaca_paused_workflow WHERE workflow = new.workflow)
WHERE TRUE
ON CONFLICT DO NOTHING;


-- name: find_keys
-- Find the runs that have the idempotency keys of these new runs: (workflow, key, run id).
SELECT run.workflow, run.idempotency_key, run.id
FROM json_each(:keys) AS wanted
JOIN cloaca_run AS run
    ON run.workflow = wanted.value ->> 0 AND run.idempotency_key = wanted.value ->> 1
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone WHERE gone.root_id = coalesce(run.root_id, run.id)
);


-- name: record_attempt
-- Write the states of attempts whose runs the runner still owns. A row in a final state is not changed.
WITH new (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message, error_traceback,
    skip_reason, started_at, ended_at, retry_at, crashes, reason_code, replacements, item, runner_id,
    fence
) AS (
    VALUES (
        :run_id, :task_id, :attempt, :epoch, :status, :change, :error_type, :error_message,
        :error_traceback, :skip_reason, :started_at, :ended_at, :retry_at, :crashes, :reason_code,
        :replacements, :item, :runner_id, :fence
    )
)
INSERT OR FAIL INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes, reason_code,
    replacements, runner, item
)
SELECT
    new.run_id, new.task_id, new.attempt, new.epoch, new.status, new.change, new.error_type,
    new.error_message, new.error_traceback, new.skip_reason, new.started_at, new.ended_at,
    new.retry_at, new.crashes, new.reason_code, new.replacements, runner.number, new.item
FROM new
CROSS JOIN cloaca_run AS run
    ON run.id = new.run_id AND run.owner = new.runner_id AND run.epoch = new.fence
CROSS JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
WHERE TRUE
ON CONFLICT (run_id, task_id, item, attempt) DO UPDATE SET
    epoch = excluded.epoch, status = excluded.status, change = excluded.change,
    error_type = excluded.error_type, error_message = excluded.error_message,
    error_traceback = excluded.error_traceback, skip_reason = excluded.skip_reason,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    retry_at = excluded.retry_at, crashes = excluded.crashes,
    reason_code = excluded.reason_code, replacements = excluded.replacements,
    runner = excluded.runner
WHERE cloaca_attempt.status NOT IN ('Completed', 'Failed', 'Skipped', 'Cancelled');


-- name: claim
-- Make claimable runs of these workflows, in these queues (:all_queues 1: and in those that were noted
-- for them), the runner's own: :aged of those that have been claimable for longest, then those of the
-- highest priority. For each workflow and queue (and, for the first, each priority in use) at most :limit
-- entries of the index are read, however many runs wait. The + keeps SQLite from answering the repeated
-- guard from an index, by looking at every run that waits. Whether the runner has left any run is asked
-- once, and only then of each run. A run that has not begun in time is left: it is about to be cancelled.
-- A run that rests has done so until it became claimable.
WITH RECURSIVE wanted (workflow, queue) AS MATERIALIZED (
    SELECT line.workflow, line.queue
    FROM (
        SELECT asked.value AS workflow, served.value AS queue
        FROM json_each(:workflows) AS asked CROSS JOIN json_each(:queues) AS served
        UNION ALL
        SELECT noted.workflow, noted.name
        FROM json_each(:workflows) AS asked
        CROSS JOIN cloaca_queue AS noted ON noted.workflow = asked.value
        WHERE :all_queues = 1
    ) AS line
    WHERE NOT EXISTS (
        SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = line.workflow
    )
),
levels (workflow, queue, priority) AS (
    SELECT wanted.workflow, wanted.queue, (
        SELECT run.priority FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = wanted.workflow AND run.queue = wanted.queue
        ORDER BY run.priority DESC LIMIT 1
    )
    FROM wanted WHERE :aged > 0
    UNION ALL
    SELECT levels.workflow, levels.queue, (
        SELECT run.priority FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = levels.workflow AND run.queue = levels.queue
            AND run.priority < levels.priority
        ORDER BY run.priority DESC LIMIT 1
    )
    FROM levels WHERE levels.priority IS NOT NULL
),
longest (id) AS MATERIALIZED (
    SELECT run.id
    FROM levels
    JOIN cloaca_run AS run ON run.id IN (
        SELECT waiting.id FROM cloaca_run AS waiting
        WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL AND waiting.behind IS NULL
            AND waiting.paused_at IS NULL AND waiting.due_at IS NULL
            AND waiting.workflow = levels.workflow AND waiting.queue = levels.queue
            AND waiting.priority = levels.priority
            AND (
                NOT EXISTS (SELECT 1 FROM cloaca_unserved WHERE runner_id = :runner_id)
                OR NOT EXISTS (
                    SELECT 1 FROM cloaca_unserved AS noted
                    WHERE noted.runner_id = :runner_id AND noted.run_id = waiting.id
                )
            )
        ORDER BY waiting.claimable_at, waiting.id LIMIT :aged
    )
    ORDER BY run.claimable_at, run.id LIMIT :aged
),
foremost (id) AS MATERIALIZED (
    SELECT run.id
    FROM wanted
    JOIN cloaca_run AS run ON run.id IN (
        SELECT waiting.id FROM cloaca_run AS waiting
        WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL AND waiting.behind IS NULL
            AND waiting.paused_at IS NULL AND waiting.due_at IS NULL
            AND waiting.workflow = wanted.workflow AND waiting.queue = wanted.queue
            AND (
                NOT EXISTS (SELECT 1 FROM cloaca_unserved WHERE runner_id = :runner_id)
                OR NOT EXISTS (
                    SELECT 1 FROM cloaca_unserved AS noted
                    WHERE noted.runner_id = :runner_id AND noted.run_id = waiting.id
                )
            )
        ORDER BY waiting.priority DESC, waiting.claimable_at, waiting.id LIMIT :limit
    )
    WHERE run.id NOT IN (SELECT id FROM longest)
    ORDER BY run.priority DESC, run.claimable_at, run.id
    LIMIT :limit - (SELECT count(*) FROM longest)
)
UPDATE OR FAIL cloaca_run
SET owner = :runner_id, epoch = epoch + 1, status = 'Running',
    started_at = coalesce(started_at, :now),
    came_due = CASE came_due WHEN 1 THEN 2 ELSE 0 END,
    stood_still = stood_still + coalesce(max(claimable_at - rests_since, 0), 0),
    deadline_at = deadline_at + coalesce(max(claimable_at - rests_since, 0), 0), rests_since = NULL
WHERE id IN (SELECT id FROM longest UNION ALL SELECT id FROM foremost)
    AND +owner IS NULL AND ended_at IS NULL
    AND (start_by IS NULL OR started_at IS NOT NULL OR start_by > :store_now)
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
RETURNING :columns(
    RunRow,
    input = CASE input WHEN '' THEN (
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = cloaca_run.id AND beside.round = 0
    ) ELSE input END
);


-- name: get_run
-- Read one run with its payloads.
SELECT :columns(
    RunRow,
    input = CASE input WHEN '' THEN (
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = cloaca_run.id AND beside.round = 0
    ) ELSE input END,
    final_context = CASE
        WHEN final_context <> '' THEN final_context
        WHEN ended_at IS NOT NULL THEN coalesce((
            SELECT beside.content FROM cloaca_payload AS beside
            WHERE beside.run_id = cloaca_run.id
                AND beside.round = iif(final_context = '', cloaca_run.round, 0)
        ), input)
    END,
    claimable_at = 0, trace = NULL
)
FROM cloaca_run
WHERE id = :id
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    );


-- name: ended_runs
-- Read those of these runs that have ended.
SELECT :columns(
    RunRow,
    input = CASE input WHEN '' THEN (
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = cloaca_run.id AND beside.round = 0
    ) ELSE input END,
    final_context = CASE
        WHEN final_context <> '' THEN final_context
        WHEN ended_at IS NOT NULL THEN coalesce((
            SELECT beside.content FROM cloaca_payload AS beside
            WHERE beside.run_id = cloaca_run.id
                AND beside.round = iif(final_context = '', cloaca_run.round, 0)
        ), input)
    END,
    claimable_at = 0, trace = NULL
)
FROM cloaca_run
WHERE id IN (SELECT value FROM json_each(:ids)) AND ended_at IS NOT NULL
ORDER BY id;


-- name: list_rounds
-- How the earlier rounds of a run have ended, oldest first. The final context of a cancelled one is
-- the input.
SELECT ended.run_id, ended.round, ended.status, ended.error_message, ended.reason_code,
    ended.limit_seconds,
    CASE WHEN ended.final_context <> '' THEN ended.final_context ELSE coalesce((
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = ended.run_id
            AND beside.round = iif(ended.final_context = '', ended.round, 0)
    ), run.input) END AS final_context,
    ended.started_at, ended.ended_at
FROM cloaca_round AS ended
JOIN cloaca_run AS run ON run.id = ended.run_id
WHERE ended.run_id = :run_id ORDER BY ended.round;


-- name: list_active_runs
-- List the newest unfinished runs of one status, by the index of owned runs and those of the others by
-- status. Pending runs that may be claimed have none: all of them are looked at. A search by primary
-- key might read a million ended runs. No unfinished run has an error.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE id IN (
        SELECT id FROM (
            SELECT id FROM cloaca_run INDEXED BY cloaca_run_owned
            WHERE owner IS NOT NULL AND ended_at IS NULL AND status = :status
                AND id < :before AND id >= :after
                AND (:workflow IS NULL OR workflow = :workflow)
                AND (:since IS NULL OR created_at >= :since)
                AND (:until IS NULL OR created_at < :until)
                AND (:parent_id IS NULL OR parent_id = :parent_id)
            ORDER BY id DESC LIMIT :limit
        )
        UNION ALL
        SELECT id FROM (
            SELECT id FROM cloaca_run INDEXED BY cloaca_run_held
            WHERE owner IS NULL AND ended_at IS NULL
                AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL)
                AND status = :status
                AND id < :before AND id >= :after
                AND (:workflow IS NULL OR workflow = :workflow)
                AND (:since IS NULL OR created_at >= :since)
                AND (:until IS NULL OR created_at < :until)
                AND (:parent_id IS NULL OR parent_id = :parent_id)
            ORDER BY id DESC LIMIT :limit
        )
        UNION ALL
        SELECT id FROM (
            SELECT id FROM cloaca_run INDEXED BY cloaca_run_woken
            WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
                AND due_at IS NULL AND status <> 'Pending' AND status = :status
                AND id < :before AND id >= :after
                AND (:workflow IS NULL OR workflow = :workflow)
                AND (:since IS NULL OR created_at >= :since)
                AND (:until IS NULL OR created_at < :until)
                AND (:parent_id IS NULL OR parent_id = :parent_id)
            ORDER BY id DESC LIMIT :limit
        )
        UNION ALL
        SELECT id FROM (
            SELECT id FROM cloaca_run INDEXED BY cloaca_run_claimable
            WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
                AND due_at IS NULL AND status = 'Pending' AND :status = 'Pending'
                AND id < :before AND id >= :after
                AND (:workflow IS NULL OR workflow = :workflow)
                AND (:since IS NULL OR created_at >= :since)
                AND (:until IS NULL OR created_at < :until)
                AND (:parent_id IS NULL OR parent_id = :parent_id)
            ORDER BY id DESC LIMIT :limit
        )
        ORDER BY id DESC LIMIT :limit
    )
    AND :error IS NULL
ORDER BY id DESC;


-- name: count_active_runs
-- Count what list_active_runs lists, by the entries of the indexes alone.
SELECT count(*) FROM (
    SELECT id FROM cloaca_run INDEXED BY cloaca_run_owned
    WHERE owner IS NOT NULL AND ended_at IS NULL AND status = :status
        AND id < :before AND id >= :after
        AND (:workflow IS NULL OR workflow = :workflow)
        AND (:since IS NULL OR created_at >= :since)
        AND (:until IS NULL OR created_at < :until)
        AND (:parent_id IS NULL OR parent_id = :parent_id)
    UNION ALL
    SELECT id FROM cloaca_run INDEXED BY cloaca_run_held
    WHERE owner IS NULL AND ended_at IS NULL
        AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL)
        AND status = :status
        AND id < :before AND id >= :after
        AND (:workflow IS NULL OR workflow = :workflow)
        AND (:since IS NULL OR created_at >= :since)
        AND (:until IS NULL OR created_at < :until)
        AND (:parent_id IS NULL OR parent_id = :parent_id)
    UNION ALL
    SELECT id FROM cloaca_run INDEXED BY cloaca_run_woken
    WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
        AND due_at IS NULL AND status <> 'Pending' AND status = :status
        AND id < :before AND id >= :after
        AND (:workflow IS NULL OR workflow = :workflow)
        AND (:since IS NULL OR created_at >= :since)
        AND (:until IS NULL OR created_at < :until)
        AND (:parent_id IS NULL OR parent_id = :parent_id)
    UNION ALL
    SELECT id FROM cloaca_run INDEXED BY cloaca_run_claimable
    WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
        AND due_at IS NULL AND status = 'Pending' AND :status = 'Pending'
        AND id < :before AND id >= :after
        AND (:workflow IS NULL OR workflow = :workflow)
        AND (:since IS NULL OR created_at >= :since)
        AND (:until IS NULL OR created_at < :until)
        AND (:parent_id IS NULL OR parent_id = :parent_id)
)
WHERE :error IS NULL;


-- name: list_runs_of_tag
-- List the newest runs that have one tag and all the further ones, of one status and of one
-- workflow or (NULL) of any.
SELECT :columns(RunRow AS run, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run_tag AS first_tag
JOIN cloaca_run AS run ON run.id = first_tag.run_id
WHERE first_tag.tag = :tag AND first_tag.content = :content AND first_tag.run_id < :before
    AND first_tag.run_id >= :after
    AND (:status IS NULL OR run.status = :status)
    AND (:workflow IS NULL OR run.workflow = :workflow)
    AND (:since IS NULL OR run.created_at >= :since)
    AND (:until IS NULL OR run.created_at < :until)
    AND (:parent_id IS NULL OR run.parent_id = :parent_id)
    AND (
        :error IS NULL
        OR replace(lower(run.error_message), lower(:error), '')
            <> lower(run.error_message)
    )
    AND NOT EXISTS (
        SELECT 1 FROM json_each(:others) AS other
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run_tag AS has
            WHERE has.run_id = run.id AND has.tag = other.value ->> 0
                AND has.content = other.value ->> 1
        )
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ORDER BY first_tag.run_id DESC LIMIT :limit;
