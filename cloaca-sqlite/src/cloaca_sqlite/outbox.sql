-- Statements for a connection that belongs to the user's program. "main" stands before each table,
-- as a temporary table or one of an attached file may have the same name.


-- name: add_run
-- Add a run without an owner. If another run has the idempotency key, nothing changes.
INSERT INTO main.cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, epoch, status
)
VALUES (
    :id, :workflow, :version, :input, :tags, :idempotency_key, :parent_id, (
        SELECT coalesce(parent.root_id, parent.id) FROM main.cloaca_run AS parent
        WHERE parent.id = :parent_id AND :detached = 0 AND NOT EXISTS (
            SELECT 1 FROM main.cloaca_tombstone AS gone
            WHERE gone.root_id = coalesce(parent.root_id, parent.id)
        )
    ), :created_at,
    coalesce(:due_at, :created_at), :priority, :due_at, :detached, :time_limit,
    :deadline_at, :start_by, 0, 'Pending'
)
ON CONFLICT DO NOTHING;


-- name: add_input
-- Keep a long input, which the row of the run has not.
INSERT INTO main.cloaca_payload (run_id, round, content) VALUES (:run_id, 0, :content);


-- name: add_tag
-- Index one tag of the run.
INSERT INTO main.cloaca_run_tag (run_id, tag, content) VALUES (:run_id, :tag, :content);


-- name: find_holder
-- Find the run that has an idempotency key. Returns bytes, as the connection's text_factory decides
-- what texts become.
SELECT CAST(id AS BLOB) FROM main.cloaca_run
WHERE workflow = :workflow AND idempotency_key = :idempotency_key AND NOT EXISTS (
    SELECT 1 FROM main.cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);
