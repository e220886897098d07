-- What is run on a connection that somebody else has opened. {schema} stands before each of our
-- tables, and pg_catalog before functions: what a name means there is up to the connection.


-- name: identity
-- Which database this is: its name, and the microsecond in which our tables were made in it.
SELECT pg_catalog.current_database(), applied_at FROM {schema}.cloaca_migration WHERE number = 1;


-- name: add_run
-- Add a run that belongs to nobody, with its tags, and tell who listens when it is committed.
-- With a taken idempotency key nothing changes, and no row is answered.
WITH run AS (
    INSERT INTO {schema}.cloaca_run (
        id, workflow, version, input, tags, idempotency_key, parent_id, created_at, epoch, status
    )
    VALUES (
        :id, :workflow, :version, :input, :tags, :idempotency_key, :parent_id, :created_at,
        0, 'Pending'
    )
    ON CONFLICT DO NOTHING
    RETURNING id
),
tags AS (
    INSERT INTO {schema}.cloaca_run_tag (run_id, tag, content)
    SELECT run.id, tag.key, tag.value
    FROM run CROSS JOIN pg_catalog.json_each_text(CAST(:tags AS JSON)) AS tag
)
SELECT run.id, pg_catalog.pg_notify(:channel, :sender) FROM run;


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
