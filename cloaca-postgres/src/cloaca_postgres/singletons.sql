-- Statements about singleton keys that PostgreSQL words in its own way, and why. The rules are at the
-- head of runs.sql.
--
-- * lock_singletons, lock_singletons_of, lock_singletons_of_owned: transactions take turns by advisory
--   locks, of which there are 64 for all keys: a transaction that ends thousands of runs takes no more,
--   and always in one order. Only transactions of cloaca take them, and those take moments.
-- * share_key: an idempotency key that a user's transaction says it is writing is passed over, as in
--   insert_run: a wait for that transaction would keep other submissions from their turns.


-- part: take_turns
seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
),
turns AS MATERIALIZED (
    SELECT DISTINCT hashtextextended(
        wanted.key COLLATE "C", hashtextextended(wanted.workflow COLLATE "C", (SELECT value FROM seed))
    ) & 63 AS number
    FROM wanted
    ORDER BY number
)
SELECT CAST(pg_advisory_xact_lock(
    hashtextextended('singleton ' || turns.number, (SELECT value FROM seed))
) AS TEXT)
FROM turns


-- name: lock_singletons
-- Take turns at these keys, pairs of a workflow and a key.
WITH wanted AS (
    SELECT CAST(each.value AS JSON) ->> 0 AS workflow, CAST(each.value AS JSON) ->> 1 AS key
    FROM unnest(CAST(:ids AS TEXT[])) AS each (value)
),
:part(take_turns);


-- name: lock_singletons_of
-- Take turns at the keys of these runs.
WITH wanted AS (
    SELECT run.workflow, run.singleton_key AS key FROM cloaca_run AS run
    WHERE run.id = ANY(CAST(:ids AS TEXT[])) AND run.singleton_key IS NOT NULL
),
:part(take_turns);


-- name: lock_singletons_of_owned
-- Take turns at the keys of runs that this runner gives up and that are being cancelled.
WITH wanted AS (
    SELECT run.workflow, run.singleton_key AS key FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
        AND run.singleton_key IS NOT NULL
),
:part(take_turns);


-- name: share_key
-- Keep programs' own transactions off an idempotency key until this one ends. There is no row if one of
-- them says that it is writing the key.
SELECT 1 FROM cloaca_migration AS seed
WHERE seed.number = 1
    AND pg_try_advisory_xact_lock_shared(hashtextextended('', seed.applied_at))
    AND pg_try_advisory_xact_lock_shared(hashtextextended(
        CAST(:idempotency_key AS TEXT) COLLATE "C",
        hashtextextended(CAST(:workflow AS TEXT) COLLATE "C", seed.applied_at)
    ));
