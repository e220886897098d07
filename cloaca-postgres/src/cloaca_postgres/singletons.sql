-- Statements about singleton keys that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * lock_singletons, lock_singletons_of, lock_singletons_of_owned: transactions take turns by advisory
--   locks, of which there are 64 for all keys: a transaction that ends thousands of runs takes no more,
--   and always in one order. Only transactions of cloaca take them, and those take moments.
-- * insert_singleton: an idempotency key that a user's transaction says it is writing is passed over, as
--   in insert_run: a wait for that transaction would keep other submissions from their turns.


-- name: lock_singletons
-- Take turns at these keys, pairs of a workflow and a key.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
turns AS MATERIALIZED (
    SELECT DISTINCT hashtextextended(
        (CAST(wanted.value AS JSON) ->> 1) COLLATE "C",
        hashtextextended((CAST(wanted.value AS JSON) ->> 0) COLLATE "C", (SELECT value FROM seed))
    ) & 63 AS number
    FROM unnest(CAST(:ids AS TEXT[])) AS wanted (value)
    ORDER BY number
)
SELECT CAST(pg_advisory_xact_lock(
    hashtextextended('singleton ' || turns.number, (SELECT value FROM seed))
) AS TEXT)
FROM turns;


-- name: lock_singletons_of
-- Take turns at the keys of these runs.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
turns AS MATERIALIZED (
    SELECT DISTINCT hashtextextended(
        run.singleton_key, hashtextextended(run.workflow, (SELECT value FROM seed))
    ) & 63 AS number
    FROM cloaca_run AS run
    WHERE run.id = ANY(CAST(:ids AS TEXT[])) AND run.singleton_key IS NOT NULL
    ORDER BY number
)
SELECT CAST(pg_advisory_xact_lock(
    hashtextextended('singleton ' || turns.number, (SELECT value FROM seed))
) AS TEXT)
FROM turns;


-- name: lock_singletons_of_owned
-- Take turns at the keys of runs that this runner gives up and that are being cancelled.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
turns AS MATERIALIZED (
    SELECT DISTINCT hashtextextended(
        run.singleton_key, hashtextextended(run.workflow, (SELECT value FROM seed))
    ) & 63 AS number
    FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
        AND run.singleton_key IS NOT NULL
    ORDER BY number
)
SELECT CAST(pg_advisory_xact_lock(
    hashtextextended('singleton ' || turns.number, (SELECT value FROM seed))
) AS TEXT)
FROM turns;


-- name: insert_singleton
-- Add a run without an owner behind the last run of its key that has not ended. With :queues 0 only if
-- there is none; with :replaces 1 only if those are all among :ids. Executed again, or with an
-- idempotency key that another run has, it changes nothing; nor if the tree of its parent is hidden.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
)
INSERT INTO cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, trace, child_kind, queue, asked_queue,
    singleton_key, behind, epoch, status
)
SELECT
    :id, :workflow, :version, :input, :tags, CAST(:idempotency_key AS TEXT),
    CAST(:parent_id AS TEXT), (
        SELECT coalesce(parent.root_id, parent.id) FROM cloaca_run AS parent
        WHERE parent.id = CAST(:parent_id AS TEXT) AND :detached = 0
    ),
    CASE WHEN last.created_at >= :created_at THEN last.created_at + 1 ELSE :created_at END,
    coalesce(CAST(:due_at AS BIGINT), :created_at), :priority,
    CAST(:due_at AS BIGINT), :detached, CAST(:time_limit AS BIGINT),
    CAST(:deadline_at AS BIGINT), CAST(:start_by AS BIGINT), CAST(:trace AS TEXT),
    CAST(:child_kind AS TEXT), :queue, CAST(:asked_queue AS TEXT),
    CAST(:singleton_key AS TEXT), last.id, 0, 'Pending'
FROM (SELECT 1) AS one
LEFT JOIN cloaca_run AS last ON last.id = (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.workflow = :workflow AND run.singleton_key = :singleton_key
        AND run.singleton_key IS NOT NULL AND run.ended_at IS NULL
    ORDER BY run.created_at DESC, run.id DESC LIMIT 1
)
WHERE CASE
    WHEN CAST(:idempotency_key AS TEXT) IS NULL THEN TRUE
    WHEN starts_with(CAST(:idempotency_key AS TEXT), CAST(:parent_id AS TEXT) || '::') THEN TRUE
    ELSE (SELECT pg_try_advisory_xact_lock_shared(hashtextextended('', value)) FROM seed)
        AND pg_try_advisory_xact_lock_shared(hashtextextended(
            CAST(:idempotency_key AS TEXT) COLLATE "C",
            hashtextextended(CAST(:workflow AS TEXT) COLLATE "C", (SELECT value FROM seed))
        ))
END
    AND (last.id IS NULL OR :queues = 1)
    AND (
        :replaces = 0
        OR NOT EXISTS (
            SELECT 1 FROM cloaca_run AS before
            WHERE before.workflow = :workflow AND before.singleton_key = :singleton_key
                AND before.singleton_key IS NOT NULL AND before.ended_at IS NULL
                AND NOT before.id IN :ids
        )
    )
    AND (
        CAST(:parent_id AS TEXT) IS NULL OR :detached = 1
        OR EXISTS (
            SELECT 1 FROM cloaca_run AS parent
            WHERE parent.id = CAST(:parent_id AS TEXT) AND NOT EXISTS (
                SELECT 1 FROM cloaca_tombstone AS gone
                WHERE gone.root_id = coalesce(parent.root_id, parent.id)
            )
        )
    )
ON CONFLICT DO NOTHING;
