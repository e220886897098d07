-- What runs wait for, and messages to them. Read the head of features/steering/steering.sql
-- first.
--
-- A message has a number from the moment at which it counts: the lock of its run gives the order. Those
-- that users' transactions write have none until a runner gives them numbers, so that no runner waits for
-- these transactions. A message that has a number above cloaca_run.messages came in this transaction.


-- name: record_wait
-- Write what tasks wait for whose runs the runner still owns, one row for each wait.
INSERT INTO cloaca_wait (
    run_id, task_id, item, kind, name, number, attempt, input_hash, opened_at, due_at, detail, timed_out
)
SELECT
    :new.run_id, :new.task_id, :new.item, :new.kind, :new.name, :new.number, :new.attempt, :new.input_hash,
    :new.opened_at, :new.due_at, :new.detail, :new.timed_out
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND runner.id = run.owner AND runner.fenced = 0
ON CONFLICT (run_id, task_id, item, kind, name, number) DO UPDATE SET
    attempt = excluded.attempt, input_hash = excluded.input_hash, opened_at = excluded.opened_at,
    due_at = excluded.due_at, detail = excluded.detail, timed_out = excluded.timed_out;


-- name: time_out_wait
-- Decide that the time of waits is over, as far as the runner still owns their runs and has seen all
-- messages to them.
UPDATE cloaca_wait AS open SET timed_out = 1
FROM :rows(seen:int) AS new
WHERE open.run_id IN [:new.run_id] AND open.task_id = :new.task_id
    AND open.item = :new.item AND open.kind = :new.kind AND open.name = :new.name
    AND open.number = :new.number AND open.timed_out = 0 AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
        WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
            AND run.messages <= :new.seen
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_message AS late
        WHERE late.run_id IN [:new.run_id] AND late.number IS NULL
    );


-- name: list_timed_out
-- Find of which waits of these runs it was decided that their time is over.
SELECT run_id, task_id, item, kind, name, number FROM cloaca_wait
WHERE run_id IN :ids AND timed_out = 1;


-- name: drop_waits
-- Forget what those of these runs wait for that have ended: lists of open waits need not pass over them.
DELETE FROM cloaca_wait
WHERE run_id IN :ids AND (
    SELECT run.ended_at FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id LIMIT 1
) IS NOT NULL;


-- name: drop_waits_of_cancelled
-- The same for runs that mark_cancelled has named. They can be found as long as they have not ended.
DELETE FROM cloaca_wait
WHERE run_id IN (
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner = :runner_id AND run.ended_at IS NULL AND run.cancel_at IS NOT NULL
        AND run.status = 'Cancelled'
);


-- name: take_message
-- Note which tasks have read messages, as far as the runner still owns their runs. The end of a child
-- that has ended in the same runner may have no number yet: it gets that of the next message.
UPDATE cloaca_message AS unread
SET taken_by = :taken.task_id, taken_item = :taken.item,
    number = coalesce(unread.number, (
        SELECT reader.messages + 1 FROM cloaca_run AS reader WHERE reader.id = unread.run_id
    ))
FROM :rows(message:text) AS taken
WHERE unread.run_id IN [:taken.run_id] AND unread.id IN [:taken.message]
    AND unread.taken_by IS NULL AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
        WHERE run.id IN [:taken.run_id] AND run.owner = :taken.runner_id
            AND run.epoch = :taken.fence
    );


-- name: close_wait
-- Forget waits that have ended, as far as the runner still owns their runs.
DELETE FROM cloaca_wait AS open
USING :rows AS ended
WHERE open.run_id IN [:ended.run_id] AND open.task_id = :ended.task_id
    AND open.item = :ended.item AND open.kind = :ended.kind AND open.name = :ended.name
    AND open.number = :ended.number
    AND EXISTS (
        SELECT 1 FROM cloaca_run AS run
        JOIN cloaca_runner AS runner ON runner.id = run.owner AND runner.fenced = 0
        WHERE run.id IN [:ended.run_id] AND run.owner = :ended.runner_id
            AND run.epoch = :ended.fence
    );


-- name: insert_first_message
-- Add the messages that come with new runs. A run that was there before has it, or gets none.
INSERT INTO cloaca_message (
    run_id, id, number, kind, name, payload, dedupe_key, sent_by, sent_at
)
SELECT
    run.id, :new.id, 1, :new.kind, :new.name, :new.payload, :new.dedupe_key, :new.sent_by,
    :new.sent_at
FROM :rows AS new, cloaca_run AS run
WHERE run.id IN [:new.run_id] AND run.messages = 0
ON CONFLICT DO NOTHING;


-- name: count_first_message
-- Count the messages of insert_first_message.
UPDATE cloaca_run AS run SET messages = 1
FROM :rows AS new
WHERE run.id IN [:new.run_id] AND run.messages = 0 AND EXISTS (
    SELECT 1 FROM cloaca_message AS first
    WHERE first.run_id IN [:new.run_id] AND first.id = :new.id AND first.number = 1
);


-- name: insert_message
-- Add a message to a run that has not ended, unless it is there, or one with its key; nor if so many are
-- unread (a run that was sent fewer has fewer; ends of children do not count), nor a decision if its task
-- or item has as many unread ones of its name as open waits.
INSERT INTO cloaca_message (
    run_id, id, number, kind, name, payload, dedupe_key, sent_by, sent_at, for_task, for_item
)
SELECT
    run.id, :id, run.messages + 1, :kind, :name, :payload, CAST(:dedupe_key AS TEXT),
    CAST(:sent_by AS TEXT), :sent_at, CAST(:for_task AS TEXT), :for_item
FROM cloaca_run AS run
WHERE run.id = :run_id AND run.ended_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_message AS earlier
        WHERE earlier.run_id = run.id AND earlier.kind = :kind AND earlier.name = :name
            AND earlier.dedupe_key = CAST(:dedupe_key AS TEXT) AND earlier.dedupe_key IS NOT NULL
    )
    AND (
        run.messages < :most
        OR (
            SELECT count(*) FROM (
                SELECT 1 FROM cloaca_message AS unread
                WHERE unread.run_id = run.id AND unread.taken_by IS NULL AND unread.kind <> 'run'
                LIMIT :most
            ) AS counted
        ) < :most
    )
    AND (
        :kind <> 'approval'
        OR (
            SELECT count(*) FROM cloaca_message AS unread
            WHERE unread.run_id = run.id AND unread.kind = :kind AND unread.name = :name
                AND unread.for_task = CAST(:for_task AS TEXT) AND unread.for_item = :for_item
                AND unread.taken_by IS NULL
        ) < (
            SELECT count(*) FROM cloaca_wait AS asked
            WHERE asked.run_id = run.id AND asked.task_id = CAST(:for_task AS TEXT)
                AND asked.item = :for_item AND asked.kind = :kind AND asked.name = :name
                AND asked.timed_out = 0
        )
    )
ON CONFLICT DO NOTHING
RETURNING number;


-- name: note_message
-- Note who has sent the message, if it came in this transaction: one that changes nothing is no act, so
-- that a key may be sent as often as one likes.
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT
    come.id, run.id, run.workflow, run.round,
    CASE WHEN come.kind = 'approval' THEN 'approve' ELSE 'send' END,
    coalesce(come.sent_by, ''), coalesce(CAST(:reason AS TEXT), come.name), 1, come.sent_at
FROM cloaca_run AS run
JOIN cloaca_message AS come
    ON come.run_id = run.id AND come.id = :id AND come.number > run.messages
WHERE run.id = :run_id
ON CONFLICT DO NOTHING;


-- name: wake_waiting
-- Let those of these runs be claimed that have no owner and wait for a message that came in this
-- transaction; a paused one once it is resumed.
UPDATE cloaca_run
SET due_at = NULL, claimable_at = :now, came_due = 0,
    status = CASE WHEN paused_at IS NOT NULL THEN 'Paused' ELSE 'Running' END
WHERE id IN :ids AND owner IS NULL AND +ended_at IS NULL AND due_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM cloaca_message AS come
    JOIN cloaca_wait AS open
        ON open.run_id = come.run_id AND open.kind = come.kind AND open.name = come.name
            AND open.timed_out = 0 AND (
                come.for_task IS NULL
                OR (open.task_id = come.for_task AND open.item = come.for_item)
            )
    WHERE come.run_id = cloaca_run.id AND come.taken_by IS NULL
        AND come.number > cloaca_run.messages
);


-- name: count_messages
-- Count the messages to these runs that came in this transaction.
UPDATE cloaca_run
SET messages = (
    SELECT max(come.number) FROM cloaca_message AS come
    WHERE come.run_id = cloaca_run.id AND come.taken_by IS NULL
        AND come.number > cloaca_run.messages
)
WHERE id IN :ids AND EXISTS (
    SELECT 1 FROM cloaca_message AS come
    WHERE come.run_id = cloaca_run.id AND come.taken_by IS NULL
        AND come.number > cloaca_run.messages
);


-- name: message_sent
-- Read the state of a run that a message was sent to, the number of the message, or of one with its key,
-- and why it is not there if it is not.
SELECT
    run.status,
    coalesce(
        (
            SELECT same.number FROM cloaca_message AS same
            WHERE same.run_id = run.id AND same.id = :id
        ),
        (
            SELECT max(keyed.number) FROM cloaca_message AS keyed
            WHERE keyed.run_id = run.id AND keyed.kind = :kind AND keyed.name = :name
                AND keyed.dedupe_key = CAST(:dedupe_key AS TEXT) AND keyed.dedupe_key IS NOT NULL
        )
    ) AS number,
    CASE
        WHEN run.ended_at IS NOT NULL THEN 'ended'
        WHEN :kind <> 'approval' THEN 'full'
        WHEN (
            SELECT count(*) FROM cloaca_message AS unread
            WHERE unread.run_id = run.id AND unread.kind = :kind AND unread.name = :name
                AND unread.for_task = CAST(:for_task AS TEXT) AND unread.for_item = :for_item
                AND unread.taken_by IS NULL
        ) < (
            SELECT count(*) FROM cloaca_wait AS asked
            WHERE asked.run_id = run.id AND asked.task_id = CAST(:for_task AS TEXT)
                AND asked.item = :for_item AND asked.kind = :kind AND asked.name = :name
                AND asked.timed_out = 0
        ) THEN 'full'
        WHEN EXISTS (
            SELECT 1 FROM cloaca_message AS unread
            WHERE unread.run_id = run.id AND unread.kind = :kind AND unread.name = :name
                AND unread.for_task = CAST(:for_task AS TEXT) AND unread.for_item = :for_item
                AND unread.taken_by IS NULL
        ) OR EXISTS (
            SELECT 1 FROM cloaca_wait AS asked
            WHERE asked.run_id = run.id AND asked.task_id = CAST(:for_task AS TEXT)
                AND asked.item = :for_item AND asked.kind = :kind AND asked.name = :name
        ) THEN 'decided'
        WHEN EXISTS (
            SELECT 1 FROM cloaca_attempt AS latest
            WHERE latest.run_id = run.id AND latest.task_id = :name AND latest.item = -1
                AND latest.status IN ('Completed', 'Failed', 'Skipped', 'Cancelled')
                AND latest.retry_at IS NULL
                AND latest.attempt = (
                    SELECT max(any_of.attempt) FROM cloaca_attempt AS any_of
                    WHERE any_of.run_id = run.id AND any_of.task_id = :name AND any_of.item = -1
                )
                AND NOT EXISTS (
                    SELECT 1 FROM cloaca_restart AS again
                    WHERE again.run_id = run.id AND again.task_id = :name AND again.item = -1
                        AND again.first_attempt > latest.attempt
                )
        ) THEN 'decided'
        ELSE 'not_open'
    END AS refusal
FROM cloaca_run AS run
WHERE run.id = :run_id
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    );


-- name: number_messages
-- Give the next numbers to messages of these runs that have none, in the order of their ids; not to one
-- whose key an earlier one has.
UPDATE cloaca_message
SET number = numbered.number
FROM (
    SELECT
        late.run_id, late.id,
        run.messages + row_number() OVER (PARTITION BY late.run_id ORDER BY late.id) AS number
    FROM cloaca_message AS late
    JOIN cloaca_run AS run ON run.id = late.run_id
    WHERE late.run_id IN :ids AND late.number IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM cloaca_message AS earlier
            WHERE earlier.run_id = late.run_id AND earlier.kind = late.kind
                AND earlier.name = late.name AND earlier.dedupe_key = late.dedupe_key
                AND earlier.dedupe_key IS NOT NULL
                AND (earlier.number IS NOT NULL OR earlier.id < late.id)
        )
) AS numbered
WHERE cloaca_message.run_id = numbered.run_id AND cloaca_message.id = numbered.id;


-- name: drop_repeated
-- Delete messages of these runs whose keys other messages have, which have numbers. There is none where
-- one transaction writes at a time.
DELETE FROM cloaca_message
WHERE run_id IN :ids AND number IS NULL AND EXISTS (
    SELECT 1 FROM cloaca_message AS earlier
    WHERE earlier.run_id = cloaca_message.run_id AND earlier.kind = cloaca_message.kind
        AND earlier.name = cloaca_message.name AND earlier.dedupe_key = cloaca_message.dedupe_key
        AND earlier.dedupe_key IS NOT NULL AND earlier.number IS NOT NULL
);


-- name: list_waits
-- Read what these runs wait for, and whether the message for it has come. Unread messages are for the
-- first waits of their name.
SELECT
    open.run_id, open.task_id, open.kind, open.name, open.number, open.attempt, open.input_hash,
    open.opened_at, open.due_at, open.detail, open.timed_out, open.item,
    CASE
        WHEN open.kind NOT IN ('approval', 'event') OR open.timed_out = 1 THEN 0
        WHEN NOT EXISTS (
            SELECT 1 FROM cloaca_message AS come
            WHERE come.run_id = open.run_id AND come.kind = open.kind AND come.name = open.name
                AND come.taken_by IS NULL
                AND (come.for_task IS NULL OR (come.for_task = open.task_id AND come.for_item = open.item))
        ) THEN 0
        WHEN (
            SELECT count(*) FROM cloaca_message AS come
            WHERE come.run_id = open.run_id AND come.kind = open.kind AND come.name = open.name
                AND come.taken_by IS NULL
                AND (come.for_task IS NULL OR (come.for_task = open.task_id AND come.for_item = open.item))
        ) > (
            SELECT count(*) FROM cloaca_wait AS earlier
            WHERE earlier.run_id = open.run_id AND earlier.task_id = open.task_id
                AND earlier.item = open.item AND earlier.kind = open.kind
                AND earlier.name = open.name AND earlier.number < open.number
                AND earlier.timed_out = 0
        ) THEN 1
        ELSE 0
    END AS answered
FROM cloaca_wait AS open
JOIN cloaca_run AS run ON run.id = open.run_id AND +run.ended_at IS NULL
WHERE open.run_id IN :ids
ORDER BY open.run_id, open.task_id, open.item, open.kind, open.name, open.number;


-- name: list_unread
-- Read the messages of these runs from a number on that no task has taken.
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by, sent_at, taken_by, for_task, for_item
FROM cloaca_message
WHERE run_id IN :ids AND taken_by IS NULL AND number > :after
ORDER BY run_id, number;


-- name: list_sent
-- List the first messages of a run.
SELECT
    sent.run_id, coalesce(sent.number, 0), sent.id, sent.kind, sent.name, sent.payload,
    sent.dedupe_key, sent.sent_by, sent.sent_at, sent.taken_by, sent.for_task, sent.for_item
FROM cloaca_message AS sent
WHERE sent.run_id = :run_id
ORDER BY CASE WHEN sent.number IS NULL THEN 1 ELSE 0 END, sent.number, sent.id LIMIT :limit;


-- name: list_open_approvals
-- List the decisions that people have to take, the oldest first. The unread decisions for a task or an
-- item are for its first waits of that name.
SELECT
    asked.run_id, run.workflow, asked.task_id, asked.name, asked.opened_at, asked.due_at, asked.detail, run.status,
    run.tags, asked.item
FROM cloaca_wait AS asked
JOIN cloaca_run AS run ON run.id = asked.run_id
WHERE asked.kind = 'approval' AND asked.timed_out = 0
    AND +run.ended_at IS NULL AND run.cancel_at IS NULL
    AND (CAST(:workflow AS TEXT) IS NULL OR run.workflow = CAST(:workflow AS TEXT))
    AND CASE
        WHEN NOT EXISTS (
            SELECT 1 FROM cloaca_message AS decision
            WHERE decision.run_id = asked.run_id AND decision.kind = 'approval'
                AND decision.name = asked.name AND decision.for_task = asked.task_id
                AND decision.for_item = asked.item AND decision.taken_by IS NULL
        ) THEN 1
        WHEN (
            SELECT count(*) FROM cloaca_message AS decision
            WHERE decision.run_id = asked.run_id AND decision.kind = 'approval'
                AND decision.name = asked.name AND decision.for_task = asked.task_id
                AND decision.for_item = asked.item AND decision.taken_by IS NULL
        ) <= (
            SELECT count(*) FROM cloaca_wait AS earlier
            WHERE earlier.run_id = asked.run_id AND earlier.task_id = asked.task_id
                AND earlier.item = asked.item AND earlier.kind = 'approval'
                AND earlier.name = asked.name AND earlier.number < asked.number
                AND earlier.timed_out = 0
        ) THEN 1
        ELSE 0
    END = 1
ORDER BY asked.opened_at, asked.run_id, asked.task_id, asked.item, asked.name, asked.number
LIMIT :limit;
