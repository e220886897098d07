-- Statements for a connection that belongs to the user's program. {schema} stands before each of
-- our tables, and pg_catalog before functions, because the program chooses the search_path.


-- name: identity
-- Identify the database: its name, and the microsecond in which our tables were created in it.
SELECT pg_catalog.current_database(), applied_at FROM {schema}.cloaca_migration WHERE number = 1;


-- name: add_run
-- Add a run without an owner, with its tags and who is to be noted to have asked for it, and notify the runners that listen when the
-- transaction commits. If another run has the idempotency key, nothing changes and no row is
-- returned.
-- The lock of the key, held until the transaction ends, says that this transaction writes the key:
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
-- Choose the number of the lock. A server has room for about 64 locks per connection: each further
-- key takes one lock that stands for all keys. The numbers are made from a value in the schema, so
-- that a role without rights in the schema cannot compute them.
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
-- Take the lock, or go on without it. Never wait for it: any role can take an advisory lock, and
-- keep it.
said AS MATERIALIZED (
    SELECT pg_catalog.pg_try_advisory_xact_lock(place.number) FROM place
),
-- If another transaction writes the same key, this insert waits until that one ends.
run AS (
    INSERT INTO {schema}.cloaca_run (
        id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at,
        claimable_at, priority, due_at, detached, time_limit, deadline_at, start_by, trace, queue,
        asked_queue, epoch, status
    )
    SELECT
        CAST(:id AS TEXT), CAST(:workflow AS TEXT), CAST(:version AS TEXT), CAST(:input AS TEXT),
        CAST(:tags AS TEXT), CAST(:idempotency_key AS TEXT), CAST(:parent_id AS TEXT),
        (
            SELECT coalesce(parent.root_id, parent.id) FROM {schema}.cloaca_run AS parent
            WHERE parent.id = CAST(:parent_id AS TEXT) AND CAST(:detached AS INTEGER) = 0
                AND NOT EXISTS (
                    SELECT 1 FROM {schema}.cloaca_tombstone AS gone
                    WHERE gone.root_id = coalesce(parent.root_id, parent.id)
                )
        ),
        CAST(:created_at AS BIGINT),
        coalesce(CAST(:due_at AS BIGINT), CAST(:created_at AS BIGINT)),
        CAST(:priority AS BIGINT), CAST(:due_at AS BIGINT), CAST(:detached AS INTEGER),
        CAST(:time_limit AS BIGINT), CAST(:deadline_at AS BIGINT), CAST(:start_by AS BIGINT),
        CAST(:trace AS TEXT), CAST(:queue AS TEXT), CAST(:asked_queue AS TEXT), 0, 'Pending'
    FROM said
    ON CONFLICT DO NOTHING
    RETURNING id
),
tags AS (
    INSERT INTO {schema}.cloaca_run_tag (run_id, tag, content)
    SELECT run.id, tag.key, tag.value
    FROM run CROSS JOIN pg_catalog.json_each_text(CAST(:tags AS JSON)) AS tag
),
submission AS (
    INSERT INTO {schema}.cloaca_act (
        id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
    )
    SELECT
        run.id, run.id, CAST(:workflow AS TEXT), 1, 'submit', CAST(:asked_by AS TEXT), NULL, 1,
        CAST(:created_at AS BIGINT)
    FROM run WHERE CAST(:asked_by AS TEXT) IS NOT NULL
)
-- Try the lock again: another transaction may have had it until the insert was done. The third
-- column is false if it cannot be taken now either: then a runner's batch may be about to insert the
-- key (see wait_for_key). For the lock of all keys the first try is enough: if another transaction
-- has it, runners pass over all keys because of that one.
SELECT
    run.id, pg_catalog.pg_notify(:channel, :sender),
    coalesce(pg_catalog.pg_try_advisory_xact_lock(place.number) OR place.keys > 65, TRUE),
    place.number
FROM run CROSS JOIN place;


-- name: wait_for_key
-- Wait for the lock of a key while a runner's batch holds it that is about to insert the key; fail
-- after a second. The transaction's own lock_timeout is restored.
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
-- Find the run that has an idempotency key.
SELECT run.id FROM {schema}.cloaca_run AS run
WHERE run.workflow = :workflow AND run.idempotency_key = :idempotency_key AND NOT EXISTS (
    SELECT 1 FROM {schema}.cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(run.root_id, run.id)
);


-- name: add_message
-- Add a message without a number to a run that has not ended, unless one with its key is there, note who
-- has sent it (unless it is part of a submission: is_act 0), and notify the runners that listen when the
-- transaction commits. The lock keeps the run from being deleted, and nothing else: its owner does not
-- wait for this transaction. Nor does another message with this key: of the two one is dropped when they
-- get their numbers.
WITH run AS MATERIALIZED (
    SELECT found.id, found.status, found.workflow, found.round FROM {schema}.cloaca_run AS found
    WHERE found.id = :run_id AND found.ended_at IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM {schema}.cloaca_tombstone AS gone
            WHERE gone.root_id = coalesce(found.root_id, found.id)
        )
        AND NOT EXISTS (
            SELECT 1 FROM {schema}.cloaca_message AS earlier
            WHERE earlier.run_id = found.id AND earlier.kind = :kind AND earlier.name = :name
                AND earlier.dedupe_key = CAST(:dedupe_key AS TEXT)
                AND earlier.dedupe_key IS NOT NULL
        )
    FOR KEY SHARE OF found
),
added AS (
    INSERT INTO {schema}.cloaca_message (
        run_id, id, kind, name, payload, dedupe_key, sent_by, sent_at, for_task, for_item
    )
    SELECT
        run.id, CAST(:id AS TEXT), CAST(:kind AS TEXT), CAST(:name AS TEXT),
        CAST(:payload AS TEXT), CAST(:dedupe_key AS TEXT), CAST(:sent_by AS TEXT),
        CAST(:sent_at AS BIGINT), CAST(:for_task AS TEXT), CAST(:for_item AS BIGINT)
    FROM run
    ON CONFLICT DO NOTHING
    RETURNING run_id
),
noted AS (
    INSERT INTO {schema}.cloaca_act (
        id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
    )
    SELECT
        CAST(:id AS TEXT), run.id, run.workflow, run.round,
        CASE WHEN CAST(:kind AS TEXT) = 'approval' THEN 'approve' ELSE 'send' END,
        coalesce(CAST(:sent_by AS TEXT), ''),
        coalesce(CAST(:reason AS TEXT), CAST(:name AS TEXT)), 1, CAST(:sent_at AS BIGINT)
    FROM added JOIN run ON run.id = added.run_id
    WHERE CAST(:is_act AS INTEGER) = 1
    ON CONFLICT DO NOTHING
)
SELECT run.status, pg_catalog.pg_notify(:channel, :sender)
FROM added JOIN run ON run.id = added.run_id;


-- name: message_sent
-- Read the state of a run that a message was sent to and not added, and the number of the same message,
-- or of one with its key; NULL if there is none, as the run has ended.
SELECT run.status, coalesce(
    (
        SELECT coalesce(same.number, 0) FROM {schema}.cloaca_message AS same
        WHERE same.run_id = run.id AND same.id = :id
    ),
    (
        SELECT max(coalesce(keyed.number, 0)) FROM {schema}.cloaca_message AS keyed
        WHERE keyed.run_id = run.id AND keyed.kind = :kind AND keyed.name = :name
            AND keyed.dedupe_key = CAST(:dedupe_key AS TEXT) AND keyed.dedupe_key IS NOT NULL
    )
)
FROM {schema}.cloaca_run AS run
WHERE run.id = :run_id
    AND NOT EXISTS (
        SELECT 1 FROM {schema}.cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    );


-- name: begin
-- Begin a transaction on a connection that commits each statement by itself.
BEGIN;


-- name: commit
-- End it.
COMMIT;


-- name: savepoint
-- Mark where to roll back to when a statement fails in the user's transaction.
SAVEPOINT cloaca_submit;


-- name: release
-- Remove the savepoint.
RELEASE SAVEPOINT cloaca_submit;


-- name: undo
-- Roll back to the savepoint after a failure.
ROLLBACK TO SAVEPOINT cloaca_submit;


-- name: rollback
-- Roll back a transaction that began with the failed submission.
ROLLBACK;
