-- What is run on a connection that somebody else has opened. "main" stands before each table:
-- there may be a temporary one, or one of another file, that has its name.


-- name: add_run
-- Add a run that belongs to nobody; with a taken idempotency key nothing changes.
INSERT INTO main.cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, created_at, epoch, status
)
VALUES (
    :id, :workflow, :version, :input, :tags, :idempotency_key, :parent_id, :created_at,
    0, 'Pending'
)
ON CONFLICT DO NOTHING;


-- name: add_tag
-- Index one tag of it.
INSERT INTO main.cloaca_run_tag (run_id, tag, content) VALUES (:run_id, :tag, :content);


-- name: find_holder
-- Which run has an idempotency key. As bytes: what texts become is up to the connection.
SELECT CAST(id AS BLOB) FROM main.cloaca_run
WHERE workflow = :workflow AND idempotency_key = :idempotency_key;
