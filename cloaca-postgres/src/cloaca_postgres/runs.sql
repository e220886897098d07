-- Statements about runs that PostgreSQL words in its own way, and why. Three rules hold in the
-- other files as well.
--
-- Rows: one statement writes many rows. Each parameter is an array with the values of one column,
-- and unnest turns the arrays into rows (":rows" in the shared files). One statement for each row would
-- cost five times as much, in the client and in the server.
--
-- Plans: PostgreSQL makes them once, perhaps while the tables are empty, and they must still be
-- good when the tables are full. So rows are found by "id = ANY (ARRAY[…])" ("id IN […]" in the shared
-- files) where "id = …" would mean the same: the plan can only be an index look-up for each row, never a
-- scan. Without
-- statistics PostgreSQL takes the partial indexes for small; the + before ended_at keeps it from
-- scanning them.
--
-- Locks, in this order: schedules, triggers, the runner, runs by id, their attempts. A transaction
-- that writes for a runner locks its row FOR KEY SHARE, which still lets the runner renew its
-- lease; fence locks the row FOR UPDATE. So a write that is under way when a runner is fenced
-- either commits before, and the takeover sees it, or finds the runner fenced.
--
-- * insert_plain_run, insert_run: pass over keys that a user's transaction writes.
-- * record_attempt: of several rows for one attempt it writes one, as ON CONFLICT cannot update a row twice
--   in one statement.
-- * end_run: its plan. A join looks the runner up once for all rows; SQLite would write the rows of a join
--   down first.
-- * find_keys: its list holds pairs, which ->> takes apart and which must be cast to JSON for it; and
--   its plan: a join may read all keys of a table that was small when the plan was made.
-- * lock_runs, fence_runs: lock the runner first, then runs by id.
-- * lock_steered: locks the roots of trees, too.
-- * claim, has_claimable: ranges to look in, as the index keeps entries of claimed runs (claim_marks.py).
-- * make_due_claimable: answers instants too, for late_runs.py.
-- * claim, make_due_claimable, make_claimable_after_set_back: lock runs and skip those that other
--   transactions have locked, so that two runners that claim at once get different runs, and none
--   waits for another.
-- * list_ended_runs, list_runs_of_parent, list_runs_of_tag: lower knows only A to Z with the collation
--   "C", as in SQLite; else it depends on the database's locale. Others find no run that has an error.
--   The list of list_runs_of_tag holds pairs.


-- name: insert_plain_run
-- Add runs as insert_run does, those without a parent and without any option of their start.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
live AS MATERIALIZED (
    SELECT runner.id FROM cloaca_runner AS runner
    WHERE runner.id = ANY(CAST(:owner AS TEXT[])) AND runner.fenced = 0
    FOR KEY SHARE
)
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, created_at, claimable_at, owner, epoch, status,
    started_at
)
SELECT
    :new.id, :new.workflow, :new.version, :new.input, :new.tags, :new.idempotency_key, :new.created_at,
    :new.created_at, live.id,
    CASE WHEN live.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN live.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN live.id IS NULL THEN NULL ELSE :new.created_at END
FROM :rows WITH ORDINALITY AS new
LEFT JOIN live ON live.id = :new.owner
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = :new.workflow
    )
WHERE CASE
    WHEN :new.idempotency_key IS NULL THEN TRUE
    ELSE (SELECT pg_try_advisory_xact_lock_shared(hashtextextended('', value)) FROM seed)
        AND pg_try_advisory_xact_lock_shared(hashtextextended(
            :new.idempotency_key COLLATE "C",
            hashtextextended(:new.workflow COLLATE "C", (SELECT value FROM seed))
        ))
END
ORDER BY :new.idempotency_key COLLATE "C", :new.workflow COLLATE "C", new.place
ON CONFLICT DO NOTHING;


-- name: insert_run
-- Add runs. If a run's owner is a live runner, it owns the run from the start, unless the run waits
-- for its time or its workflow is paused; otherwise the run has no owner. A run that is sent again,
-- or whose idempotency key another run has, changes nothing; nor does one of a hidden tree, or one whose
-- parent is being cancelled, or was: the transaction has locked the parents before (lock_runs), so that
-- none is cancelled until it ends. Keys are inserted in a fixed order, as two batches with the same keys
-- could deadlock otherwise; of two runs with one key the first comes first, which a sort does not keep.
-- A key that a user's transaction says it is writing (see outbox.sql) is passed over, as inserting
-- it would wait for the end of that transaction. The batch takes a shared lock on each key. Other
-- batches can take it as well; a user's transaction cannot, and learns that it must make way for
-- the batch. find_keys returns no row for a key that was passed over, unless a run had the key
-- before.
-- A key that begins with the id of the run's own parent was made by the engine: no user's
-- transaction writes it, and the body of the parent waits for the run. So it is neither locked nor
-- passed over.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
live AS MATERIALIZED (
    SELECT runner.id FROM cloaca_runner AS runner
    WHERE runner.id = ANY(CAST(:owner AS TEXT[])) AND runner.fenced = 0
    FOR KEY SHARE
)
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, trace, child_kind, queue, asked_queue,
    owner, epoch, status, started_at
)
SELECT
    :new.id, :new.workflow, :new.version, :new.input, :new.tags, :new.idempotency_key, :new.parent_id,
    CASE WHEN :new.detached = 0 THEN coalesce(
        (
            SELECT coalesce(parent.root_id, parent.id) FROM cloaca_run AS parent
            WHERE parent.id IN [:new.parent_id]
        ),
        :new.parent_id
    ) END,
    :new.created_at, coalesce(:new.due_at, :new.created_at),
    :new.priority, :new.due_at, :new.detached, :new.time_limit, :new.deadline_at, :new.start_by,
    :new.trace, :new.child_kind, :new.queue, :new.asked_queue, live.id,
    CASE WHEN live.id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN live.id IS NULL THEN 'Pending' ELSE 'Running' END,
    CASE WHEN live.id IS NULL THEN NULL ELSE :new.created_at END
FROM :rows WITH ORDINALITY AS new
LEFT JOIN live ON live.id = :new.owner AND :new.due_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = :new.workflow
    )
WHERE CASE
    WHEN :new.idempotency_key IS NULL THEN TRUE
    WHEN starts_with(:new.idempotency_key, :new.parent_id || '::') THEN TRUE
    ELSE (SELECT pg_try_advisory_xact_lock_shared(hashtextextended('', value)) FROM seed)
        AND pg_try_advisory_xact_lock_shared(hashtextextended(
            :new.idempotency_key COLLATE "C",
            hashtextextended(:new.workflow COLLATE "C", (SELECT value FROM seed))
        ))
END
    AND (
        :new.parent_id IS NULL OR :new.detached = 1
        OR :new.parent_id = ANY(CAST(:id AS TEXT[]))
        OR EXISTS (
            SELECT 1 FROM cloaca_run AS parent
            WHERE parent.id IN [:new.parent_id]
                AND parent.cancel_at IS NULL AND parent.status <> 'Cancelled'
                AND (:new.child_kind IS NULL OR parent.ended_at IS NULL)
                AND NOT EXISTS (
                    SELECT 1 FROM cloaca_tombstone AS gone
                    WHERE gone.root_id = coalesce(parent.root_id, parent.id)
                )
        )
    )
ORDER BY :new.idempotency_key COLLATE "C", :new.workflow COLLATE "C", new.place
ON CONFLICT DO NOTHING;


-- name: find_keys
-- Find the runs that have the idempotency keys of these new runs: (workflow, key, run id).
SELECT run.workflow, run.idempotency_key, run.id
FROM unnest(CAST(:keys AS TEXT[])) AS wanted
CROSS JOIN LATERAL (
    SELECT * FROM cloaca_run AS any_run
    WHERE any_run.workflow = (CAST(wanted AS JSON) ->> 0)
        AND any_run.idempotency_key = (CAST(wanted AS JSON) ->> 1)
    LIMIT 1  -- and no more has a key; so each is looked up by itself
) AS run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone WHERE gone.root_id = coalesce(run.root_id, run.id)
);


-- name: lock_runs
-- Lock the runner that this transaction writes for, then these runs, whether or not it owns them.
-- All transactions lock in this order, so later statements of this one may write in any order.
WITH live AS MATERIALIZED (
    SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0 FOR KEY SHARE
)
SELECT run.id
FROM unnest(CAST(:ids AS TEXT[])) AS wanted (id)
LEFT JOIN live ON TRUE
JOIN cloaca_run AS run ON run.id = ANY(ARRAY[wanted.id])
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF run;


-- name: lock_steered
-- Lock these runs, and the roots of their trees, which prune locks: what the later statements of the
-- transaction find is what they are decided by.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(CAST(:ids AS TEXT[]) || ARRAY(
        SELECT part.root_id FROM cloaca_run AS part
        WHERE part.id = ANY(CAST(:ids AS TEXT[])) AND part.root_id IS NOT NULL
    ))
ORDER BY run.id
FOR NO KEY UPDATE OF run;


-- name: fence_runs
-- Lock those of these runs that the runner owns; for each, return its epoch, the state to which it is
-- to be brought, how often keys of it were replaced, and how many messages it was sent. Until the
-- transaction ends, no run gets another owner and no other transaction can fence the runner, so the
-- conditions of later statements hold for exactly these runs.
WITH live AS MATERIALIZED (
    SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0 FOR KEY SHARE
)
SELECT run.id, run.epoch, CASE
    WHEN run.cancel_at IS NOT NULL THEN 'Cancelled' WHEN run.paused_at IS NOT NULL THEN 'Paused'
END AS stop_request, run.replacements, run.messages
FROM live
CROSS JOIN unnest(CAST(:ids AS TEXT[])) AS wanted (id)
JOIN cloaca_run AS run ON run.id = ANY(ARRAY[wanted.id]) AND run.owner = live.id
ORDER BY wanted.id COLLATE "C"
FOR NO KEY UPDATE OF run;


-- name: record_attempt
-- Write the states of attempts whose runs the runner still owns. A row in a final state is not
-- changed. Of several rows for one attempt the first final one counts, or else the last one.
INSERT INTO cloaca_attempt (
    run_id, task_id, attempt, epoch, status, change, error_type, error_message,
    error_traceback, skip_reason, started_at, ended_at, retry_at, crashes, reason_code,
    replacements, runner, item
)
SELECT DISTINCT ON (:new.run_id COLLATE "C", :new.task_id COLLATE "C", :new.item, :new.attempt)
    :new.run_id, :new.task_id, :new.attempt, :new.epoch, :new.status, :new.change, :new.error_type,
    :new.error_message, :new.error_traceback, :new.skip_reason, :new.started_at, :new.ended_at,
    :new.retry_at, :new.crashes, :new.reason_code, :new.replacements, runner.number, :new.item
FROM :rows WITH ORDINALITY AS new
JOIN cloaca_run AS run
    ON run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
ORDER BY
    :new.run_id COLLATE "C", :new.task_id COLLATE "C", :new.item, :new.attempt,
    CASE WHEN :new.status IN ('Completed', 'Failed', 'Skipped', 'Cancelled') THEN 0 ELSE 1 END,
    CASE WHEN :new.status IN ('Completed', 'Failed', 'Skipped', 'Cancelled')
        THEN new.place ELSE -new.place END
ON CONFLICT (run_id, task_id, item, attempt) DO UPDATE SET
    epoch = excluded.epoch, status = excluded.status, change = excluded.change,
    error_type = excluded.error_type, error_message = excluded.error_message,
    error_traceback = excluded.error_traceback, skip_reason = excluded.skip_reason,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    retry_at = excluded.retry_at, crashes = excluded.crashes,
    reason_code = excluded.reason_code, replacements = excluded.replacements,
    runner = excluded.runner
WHERE cloaca_attempt.status NOT IN ('Completed', 'Failed', 'Skipped', 'Cancelled');


-- name: end_run
-- Write the ends of runs, their last change, as far as the runner still owns them. They keep their
-- owner, so that the same batch, sent again, gets the same answer. A run that is to be cancelled ends
-- as Cancelled, even if the runner saw it end otherwise.
UPDATE cloaca_run AS run
SET ended_at = :new.ended_at,
    status = CASE WHEN run.cancel_at IS NULL THEN :new.status ELSE 'Cancelled' END,
    final_context = CASE WHEN run.cancel_at IS NULL THEN :new.final_context END,
    error_message = CASE
        WHEN run.cancel_at IS NULL THEN :new.error_message ELSE run.steer_reason
    END,
    steer_reason = CASE WHEN run.cancel_at IS NOT NULL THEN run.steer_reason END,
    reason_code = CASE WHEN run.cancel_at IS NULL THEN :new.reason_code ELSE 'cancelled' END,
    limit_seconds = CASE WHEN run.cancel_at IS NULL THEN :new.limit_seconds END,
    reason_tasks = CASE WHEN run.cancel_at IS NULL THEN :new.reason_tasks END
FROM :rows AS new
JOIN cloaca_runner AS runner ON runner.id = :new.runner_id AND runner.fenced = 0
WHERE run.id IN [:new.id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL;


-- name: make_due_claimable
-- Make claimable the runs of these workflows that have come due, those that came due first. For each
-- workflow at most :limit entries of the index are read and locked. Answers since when they are claimable
-- (see late_runs.py).
WITH due AS MATERIALIZED (
    SELECT run.id
    FROM unnest(CAST(:workflows AS TEXT[])) AS wanted (workflow)
    CROSS JOIN LATERAL (
        SELECT first.id, first.due_at FROM cloaca_run AS first
        WHERE first.workflow = wanted.workflow AND first.due_at < 4611686018427387904
            AND first.due_at <= :now AND first.owner IS NULL AND first.ended_at IS NULL
        ORDER BY first.due_at, first.id LIMIT :limit
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS run
    ORDER BY run.due_at, run.id LIMIT :limit
)
UPDATE cloaca_run AS run SET due_at = NULL, claimable_at = run.due_at, came_due = 1
FROM due
WHERE run.id = ANY(ARRAY[due.id]) AND run.due_at <= :now AND +run.ended_at IS NULL
RETURNING run.id, run.claimable_at;


-- name: make_claimable_after_set_back
-- Make claimable the runs of these workflows that were parked later than :now: the clock was set back
-- since, and would keep them for as long, also those that are paused now. The runner that claims one
-- waits for what is left of its time.
WITH parked AS MATERIALIZED (
    SELECT run.id
    FROM unnest(CAST(:workflows AS TEXT[])) AS wanted (workflow)
    CROSS JOIN LATERAL (
        SELECT late.id, late.claimable_at FROM cloaca_run AS late
        WHERE late.workflow = wanted.workflow AND late.claimable_at > :now
            AND late.due_at < 4611686018427387904 AND late.owner IS NULL AND late.ended_at IS NULL
            AND late.started_at IS NOT NULL
        ORDER BY late.claimable_at DESC, late.id LIMIT :limit
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS run
    ORDER BY run.claimable_at DESC, run.id LIMIT :limit
)
UPDATE cloaca_run AS run SET due_at = NULL, claimable_at = :now
FROM parked
WHERE run.id = ANY(ARRAY[parked.id]) AND run.due_at IS NOT NULL AND +run.ended_at IS NULL
RETURNING run.id;


-- name: claim
-- Make claimable runs of these workflows the runner's own: :aged of those that have been claimable
-- for longest, then those of the highest priority. Each item of the lists is a range of priorities of
-- one workflow in one queue (NULL: in all that were noted for it), and the place in the order of claims
-- after which runs are looked for (see claim_marks.py): of one priority that is an instant and an id, of
-- several an instant. For each workflow and queue (and, for the first, each priority in use) at most
-- :limit entries of the index are read and locked after that place, however many runs wait.
-- Those that the runner has left are read once, as are paused workflows: a look-up for each run would
-- cost a tenth of the claim. A run that has not begun in time is left: it is about to be cancelled. A run
-- that rests (greatest leaves a NULL out) has done so until it became claimable.
WITH RECURSIVE live AS MATERIALIZED (
    SELECT id FROM cloaca_runner WHERE id = :runner_id AND fenced = 0 FOR KEY SHARE
),
wanted (workflow, queue, lowest, highest, since, after) AS MATERIALIZED (
    SELECT asked.workflow, line.queue, asked.lowest, asked.highest, asked.since, asked.after
    FROM live, unnest(
        CAST(:workflow AS TEXT[]), CAST(:queue AS TEXT[]), CAST(:lowest AS BIGINT[]),
        CAST(:highest AS BIGINT[]), CAST(:since AS BIGINT[]), CAST(:after AS TEXT[])
    ) AS asked (workflow, queue, lowest, highest, since, after)
    CROSS JOIN LATERAL (
        SELECT coalesce(asked.queue, 'default') AS queue
        UNION ALL
        SELECT noted.name FROM cloaca_queue AS noted
        WHERE asked.queue IS NULL AND noted.workflow = asked.workflow
    ) AS line
    WHERE asked.workflow NOT IN (SELECT paused.workflow FROM cloaca_paused_workflow AS paused)
),
levels (workflow, queue, priority, lowest, since, after) AS (
    SELECT wanted.workflow, wanted.queue, CASE
        WHEN wanted.lowest = wanted.highest THEN wanted.lowest
        ELSE (
            SELECT max(run.priority) FROM cloaca_run AS run
            WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
                AND run.paused_at IS NULL AND run.due_at IS NULL
                AND run.workflow = wanted.workflow AND run.queue = wanted.queue
                AND run.claimable_at >= wanted.since
                AND run.priority >= wanted.lowest AND run.priority <= wanted.highest
        )
    END, wanted.lowest, wanted.since, wanted.after
    FROM wanted
    UNION ALL
    SELECT levels.workflow, levels.queue, (
        SELECT max(run.priority) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = levels.workflow AND run.queue = levels.queue
            AND run.claimable_at >= levels.since
            AND run.priority >= levels.lowest AND run.priority < levels.priority
    ), levels.lowest, levels.since, levels.after
    FROM levels WHERE levels.priority > levels.lowest
),
longest AS MATERIALIZED (
    SELECT run.id
    FROM levels
    CROSS JOIN LATERAL (
        SELECT candidate.id, candidate.claimable_at FROM cloaca_run AS candidate
        WHERE candidate.owner IS NULL AND candidate.ended_at IS NULL AND candidate.behind IS NULL
            AND candidate.paused_at IS NULL AND candidate.due_at IS NULL
            AND candidate.workflow = levels.workflow AND candidate.queue = levels.queue
            AND candidate.priority = levels.priority
            AND (candidate.claimable_at, candidate.id) > (levels.since, levels.after)
            AND candidate.id NOT IN (
                SELECT noted.run_id FROM cloaca_unserved AS noted
                WHERE noted.runner_id = :runner_id
            )
        ORDER BY candidate.claimable_at, candidate.id LIMIT :aged
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS run
    ORDER BY run.claimable_at, run.id LIMIT :aged
),
waiting AS MATERIALIZED (
    SELECT run.id, run.priority, run.claimable_at
    FROM (
        SELECT levels.workflow, levels.queue,
            array_agg(levels.priority ORDER BY levels.priority DESC) AS priorities,
            array_agg(levels.since ORDER BY levels.priority DESC) AS instants,
            array_agg(levels.after ORDER BY levels.priority DESC) AS ids
        FROM levels WHERE levels.priority IS NOT NULL
        GROUP BY levels.workflow, levels.queue
    ) AS one
    CROSS JOIN LATERAL (
        SELECT each.id, each.priority, each.claimable_at
        FROM unnest(one.priorities, one.instants, one.ids) AS level (priority, since, after)
        CROSS JOIN LATERAL (
            SELECT candidate.id, candidate.priority, candidate.claimable_at
            FROM cloaca_run AS candidate
            WHERE candidate.owner IS NULL AND candidate.ended_at IS NULL
                AND candidate.behind IS NULL AND candidate.paused_at IS NULL
                AND candidate.due_at IS NULL
                AND candidate.workflow = one.workflow AND candidate.queue = one.queue
                AND candidate.priority = level.priority
                AND (candidate.claimable_at, candidate.id) > (level.since, level.after)
                AND candidate.id NOT IN (
                    SELECT noted.run_id FROM cloaca_unserved AS noted
                    WHERE noted.runner_id = :runner_id
                )
            ORDER BY candidate.claimable_at, candidate.id LIMIT :limit
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS each
        LIMIT :limit
    ) AS run
),
chosen AS MATERIALIZED (
    SELECT longest.id FROM longest
    UNION ALL (
        SELECT waiting.id FROM waiting
        WHERE waiting.id NOT IN (SELECT longest.id FROM longest)
        ORDER BY waiting.priority DESC, waiting.claimable_at, waiting.id
        LIMIT :limit - (SELECT count(*) FROM longest)
    )
)
UPDATE cloaca_run AS run
SET owner = live.id, epoch = run.epoch + 1, status = 'Running',
    started_at = coalesce(run.started_at, :now),
    came_due = CASE run.came_due WHEN 1 THEN 2 ELSE 0 END,
    stood_still = run.stood_still + greatest(run.claimable_at - run.rests_since, 0),
    deadline_at = run.deadline_at + greatest(run.claimable_at - run.rests_since, 0), rests_since = NULL
FROM chosen, live
WHERE run.id = ANY(ARRAY[chosen.id]) AND run.owner IS NULL AND +run.ended_at IS NULL
    AND (run.start_by IS NULL OR run.started_at IS NOT NULL OR run.start_by > :store_now)
RETURNING :columns(RunRow AS run);


-- name: has_claimable
-- Tell whether a claim of the runner would find a run in these ranges, which are as for claim.
SELECT EXISTS (
    SELECT 1
    FROM unnest(
        CAST(:workflow AS TEXT[]), CAST(:queue AS TEXT[]), CAST(:lowest AS BIGINT[]),
        CAST(:highest AS BIGINT[]), CAST(:since AS BIGINT[]), CAST(:after AS TEXT[])
    ) AS wanted (workflow, queue, lowest, highest, since, after)
    CROSS JOIN LATERAL (
        SELECT coalesce(wanted.queue, 'default') AS queue
        UNION ALL
        SELECT noted.name FROM cloaca_queue AS noted
        WHERE wanted.queue IS NULL AND noted.workflow = wanted.workflow
    ) AS line
    WHERE wanted.workflow NOT IN (SELECT paused.workflow FROM cloaca_paused_workflow AS paused)
        AND CASE
            WHEN wanted.lowest = wanted.highest THEN (
                SELECT waiting.id FROM cloaca_run AS waiting
                WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL AND waiting.behind IS NULL
                    AND waiting.paused_at IS NULL AND waiting.due_at IS NULL
                    AND waiting.workflow = wanted.workflow AND waiting.queue = line.queue
                    AND waiting.priority = wanted.lowest
                    AND (waiting.claimable_at, waiting.id) > (wanted.since, wanted.after)
                    AND (
                        SELECT noted.run_id FROM cloaca_unserved AS noted
                        WHERE noted.run_id = waiting.id AND noted.runner_id = :runner_id LIMIT 1
                    ) IS NULL
                LIMIT 1
            )
            ELSE (
                SELECT waiting.id FROM cloaca_run AS waiting
                WHERE waiting.owner IS NULL AND waiting.ended_at IS NULL AND waiting.behind IS NULL
                    AND waiting.paused_at IS NULL AND waiting.due_at IS NULL
                    AND waiting.workflow = wanted.workflow AND waiting.queue = line.queue
                    AND waiting.claimable_at >= wanted.since
                    AND waiting.priority >= wanted.lowest AND waiting.priority <= wanted.highest
                    AND (
                        SELECT noted.run_id FROM cloaca_unserved AS noted
                        WHERE noted.run_id = waiting.id AND noted.runner_id = :runner_id LIMIT 1
                    ) IS NULL
                LIMIT 1
            )
        END IS NOT NULL
);


-- name: list_ended_runs
-- List the newest ended runs of one status.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE ended_at IS NOT NULL AND status = :status AND id < :before AND id >= :after
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message COLLATE "C"), lower(CAST(:error AS TEXT) COLLATE "C"), '')
            <> lower(error_message COLLATE "C")
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY id DESC LIMIT :limit;


-- name: list_runs_of_parent
-- List the newest runs that bodies of one run have submitted.
SELECT :columns(RunRow, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run
WHERE parent_id = :parent_id AND parent_id IS NOT NULL AND id < :before AND id >= :after
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
    AND (CAST(:workflow AS TEXT) IS NULL OR workflow = :workflow)
    AND (CAST(:since AS BIGINT) IS NULL OR created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR created_at < :until)
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(lower(error_message COLLATE "C"), lower(CAST(:error AS TEXT) COLLATE "C"), '')
            <> lower(error_message COLLATE "C")
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY id DESC LIMIT :limit;


-- name: list_runs_of_tag
-- List the newest runs that have one tag and all the further ones, of one status and of one
-- workflow or (NULL) of any.
SELECT :columns(RunRow AS run, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM cloaca_run_tag AS first_tag
JOIN cloaca_run AS run ON run.id = first_tag.run_id
WHERE first_tag.tag = :tag AND first_tag.content = :content AND first_tag.run_id < :before
    AND first_tag.run_id >= :after
    AND (CAST(:status AS TEXT) IS NULL OR run.status = CAST(:status AS TEXT))
    AND (CAST(:workflow AS TEXT) IS NULL OR run.workflow = CAST(:workflow AS TEXT))
    AND (CAST(:since AS BIGINT) IS NULL OR run.created_at >= :since)
    AND (CAST(:until AS BIGINT) IS NULL OR run.created_at < :until)
    AND (CAST(:parent_id AS TEXT) IS NULL OR run.parent_id = CAST(:parent_id AS TEXT))
    AND (
        CAST(:error AS TEXT) IS NULL
        OR replace(
            lower(run.error_message COLLATE "C"), lower(CAST(:error AS TEXT) COLLATE "C"), ''
        ) <> lower(run.error_message COLLATE "C")
    )
    AND NOT EXISTS (
        SELECT 1 FROM unnest(CAST(:others AS TEXT[])) AS other
        WHERE NOT EXISTS (
            SELECT 1 FROM cloaca_run_tag AS has
            WHERE has.run_id = run.id AND has.tag = CAST(other AS JSON) ->> 0
                AND has.content = CAST(other AS JSON) ->> 1
        )
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
ORDER BY first_tag.run_id DESC LIMIT :limit;
