-- What is run on a connection that somebody else has opened. {schema} stands before each of our
-- tables, and pg_catalog before functions: what a name means there is up to the connection.


-- name: identity
-- Which database this is: its name, and the microsecond in which our tables were made in it.
SELECT pg_catalog.current_database(), applied_at FROM {schema}.cloaca_migration WHERE number = 1;


-- name: add_run
-- Add a run that belongs to nobody, with its tags, and tell who listens when it is committed.
-- With a taken idempotency key nothing changes, and no row is answered.
-- The lock of its key, held until the transaction ends, says that this transaction writes the key:
-- runners pass the key over (insert_run in runs.sql) and do not wait for this transaction.
WITH
-- Count the keys of this transaction, in a setting that ends with it.
counted AS MATERIALIZED (
    SELECT
        CASE WHEN CAST(:idempotency_key AS TEXT) IS NOT NULL THEN CAST(pg_catalog.set_config(
            'cloaca.keys',
            CAST(1 + coalesce(
                CAST(nullif(pg_catalog.current_setting('cloaca.keys', true), '') AS INTEGER), 0
            ) AS TEXT),
            true
        ) AS INTEGER) END AS keys
),
-- Choose the number of the lock. A server has room for about 64 locks per connection: each further key
-- takes one lock that stands for all keys. The numbers are made from a value in the schema, so that a
-- role without rights in the schema cannot compute them.
place AS MATERIALIZED (
    SELECT keys, CASE
        WHEN keys <= 64 THEN pg_catalog.hashtextextended(
            CAST(:idempotency_key AS TEXT) COLLATE "C",
            pg_catalog.hashtextextended(CAST(:workflow AS TEXT) COLLATE "C", applied_at)
        )
        WHEN keys > 64 THEN pg_catalog.hashtextextended('', applied_at)
    END AS number
    FROM counted CROSS JOIN {schema}.cloaca_migration AS migration WHERE migration.number = 1
),
-- Take the lock, or go on without it: any role can take an advisory lock, so it is never waited for.
said AS MATERIALIZED (
    SELECT pg_catalog.pg_try_advisory_xact_lock(place.number) FROM place
),
-- This waits for the end of another transaction that writes the key.
run AS (
    INSERT INTO {schema}.cloaca_run (
        id, workflow, version, input, tags, idempotency_key, parent_id, created_at, epoch, status
    )
    SELECT
        CAST(:id AS TEXT), CAST(:workflow AS TEXT), CAST(:version AS TEXT), CAST(:input AS TEXT),
        CAST(:tags AS TEXT), CAST(:idempotency_key AS TEXT), CAST(:parent_id AS TEXT),
        CAST(:created_at AS BIGINT), 0, 'Pending'
    FROM said
    ON CONFLICT DO NOTHING
    RETURNING id
),
tags AS (
    INSERT INTO {schema}.cloaca_run_tag (run_id, tag, content)
    SELECT run.id, tag.key, tag.value
    FROM run CROSS JOIN pg_catalog.json_each_text(CAST(:tags AS JSON)) AS tag
)
-- Try the lock again, which another transaction may have had until the insert was done. The third
-- column is false if it cannot be taken now either: then a batch of a runner may be about to insert the
-- key (see wait_for_key). For the lock of all keys the first try is enough: another transaction that
-- has it makes runners pass over all keys as well.
SELECT
    run.id, pg_catalog.pg_notify(:channel, :sender),
    coalesce(pg_catalog.pg_try_advisory_xact_lock(place.number) OR place.keys > 65, TRUE),
    place.number
FROM run CROSS JOIN place;


-- name: wait_for_key
-- Take the lock of a key, or fail after a second: for as long as a batch has it that is about to
-- insert the key. The transaction's own limit stays as it is.
WITH own AS MATERIALIZED (
    SELECT pg_catalog.current_setting('lock_timeout') AS lock_timeout
),
limited AS MATERIALIZED (
    SELECT own.lock_timeout, pg_catalog.set_config('lock_timeout', '1s', true) FROM own
),
taken AS MATERIALIZED (
    SELECT limited.lock_timeout, pg_catalog.pg_advisory_xact_lock(:number) FROM limited
)
SELECT pg_catalog.set_config('lock_timeout', taken.lock_timeout, true) FROM taken;


-- name: find_holder
-- Which run has an idempotency key.
SELECT id FROM {schema}.cloaca_run
WHERE workflow = :workflow AND idempotency_key = :idempotency_key;


-- name: savepoint
-- Where to go back to when something fails in the transaction of somebody else.
SAVEPOINT cloaca_submit;


-- name: release
-- Nothing has failed.
RELEASE SAVEPOINT cloaca_submit;


-- name: undo
-- Something has failed.
ROLLBACK TO SAVEPOINT cloaca_submit;


-- name: rollback
-- Something has failed in a transaction that began with it.
ROLLBACK;
