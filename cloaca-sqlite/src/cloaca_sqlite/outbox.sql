-- Statements for a connection that belongs to the user's program. "main" stands before each table,
-- as a temporary table or one of an attached file may have the same name.


-- name: add_run
-- Add a run without an owner. If another run has the idempotency key, nothing changes.
INSERT INTO main.cloaca_run (
    id, workflow, version, input, tags, idempotency_key, parent_id, root_id, created_at, claimable_at,
    priority, due_at, detached, time_limit, deadline_at, start_by, trace, queue, asked_queue, epoch,
    status
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
    :deadline_at, :start_by, :trace, :queue, :asked_queue, 0, 'Pending'
)
ON CONFLICT DO NOTHING;


-- name: note_queue
-- Note that the workflow has runs in a queue.
INSERT INTO main.cloaca_queue (workflow, name) VALUES (:workflow, :asked_queue) ON CONFLICT DO NOTHING;


-- name: add_input
-- Keep a long input, which the row of the run has not.
INSERT INTO main.cloaca_payload (run_id, round, content) VALUES (:run_id, 0, :content);


-- name: add_tag
-- Index one tag of the run.
INSERT INTO main.cloaca_run_tag (run_id, tag, content) VALUES (:run_id, :tag, :content);


-- name: note_submission
-- Note who has submitted the run.
INSERT INTO main.cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
VALUES (:id, :id, :workflow, 1, 'submit', :asked_by, NULL, 1, :created_at);


-- name: find_holder
-- Find the run that has an idempotency key. Returns bytes, as the connection's text_factory decides
-- what texts become.
SELECT CAST(id AS BLOB) FROM main.cloaca_run
WHERE workflow = :workflow AND idempotency_key = :idempotency_key AND NOT EXISTS (
    SELECT 1 FROM main.cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);


-- name: add_message
-- Add a message without a number to a run that has not ended, unless one with its key is there.
INSERT INTO main.cloaca_message (
    run_id, id, kind, name, payload, dedupe_key, sent_by, sent_at, for_task, for_item
)
SELECT
    run.id, :id, :kind, :name, :payload, :dedupe_key, :sent_by, :sent_at, :for_task, :for_item
FROM main.cloaca_run AS run
WHERE run.id = :run_id AND run.ended_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM main.cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
    AND NOT EXISTS (
        SELECT 1 FROM main.cloaca_message AS earlier
        WHERE earlier.run_id = run.id AND earlier.kind = :kind AND earlier.name = :name
            AND earlier.dedupe_key = :dedupe_key AND earlier.dedupe_key IS NOT NULL
    )
ON CONFLICT DO NOTHING;


-- name: note_message
-- Note who has sent the message that was added.
INSERT INTO main.cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    :id, run.id, run.workflow, run.round, CASE WHEN :kind = 'approval' THEN 'approve' ELSE 'send' END,
    coalesce(:sent_by, ''), coalesce(:reason, :name), 1, :sent_at
FROM main.cloaca_run AS run
WHERE run.id = :run_id
ON CONFLICT DO NOTHING;


-- name: message_sent
-- Read the state of a run that a message was sent to, and the number of the message, or of one with its
-- key; NULL if the run has ended and got none.
SELECT CAST(run.status AS BLOB), coalesce(
    (
        SELECT coalesce(same.number, 0) FROM main.cloaca_message AS same
        WHERE same.run_id = run.id AND same.id = :id
    ),
    (
        SELECT max(coalesce(keyed.number, 0)) FROM main.cloaca_message AS keyed
        WHERE keyed.run_id = run.id AND keyed.kind = :kind AND keyed.name = :name
            AND keyed.dedupe_key = :dedupe_key AND keyed.dedupe_key IS NOT NULL
    )
)
FROM main.cloaca_run AS run
WHERE run.id = :run_id
    AND NOT EXISTS (
        SELECT 1 FROM main.cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    );
