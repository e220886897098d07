-- What runs wait for, and messages to them.

-- Open waits: kind is "sleep", "event" or "approval", name the event, number how often a body met both in
-- one attempt (0: a node). The wait ends at due_at, if it has one, or by a message. timed_out: 1 once it
-- was decided that its time is over. detail: a JSON object for people who answer.
CREATE TABLE cloaca_wait (
    run_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    input_hash TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    due_at INTEGER,
    detail TEXT NOT NULL,
    timed_out INTEGER NOT NULL,
    PRIMARY KEY (run_id, task_id, kind, name, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_wait_approval ON cloaca_wait (opened_at, run_id, task_id)
WHERE kind = 'approval' AND timed_out = 0;

-- Messages, in the order of the numbers that they have in their run, from 1. number: NULL until a runner
-- has numbered a message that a user's transaction wrote. taken_by: the task whose wait it has ended; NULL
-- while it is unread. Of messages with one dedupe_key the first one counts. With a rowid, as a table
-- without would be searched through the payloads.
CREATE TABLE cloaca_message (
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    dedupe_key TEXT,
    sent_by TEXT,
    sent_at INTEGER NOT NULL,
    taken_by TEXT,
    PRIMARY KEY (run_id, id)
) STRICT;

CREATE UNIQUE INDEX cloaca_message_unread ON cloaca_message (run_id, number) WHERE taken_by IS NULL;

CREATE INDEX cloaca_message_unnumbered ON cloaca_message (run_id) WHERE number IS NULL;

CREATE INDEX cloaca_message_key ON cloaca_message (run_id, kind, name, dedupe_key)
WHERE dedupe_key IS NOT NULL;

-- messages: the last number that a message to the run has. The owner of a run that has any looks for more.
ALTER TABLE cloaca_run ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;

-- rests_since: since when all that is left of a parked run waits for sleeps, events and approvals, until a
-- claim has added that to stood_still.
ALTER TABLE cloaca_run ADD COLUMN rests_since INTEGER;

DROP INDEX cloaca_run_steered;

CREATE INDEX cloaca_run_steered ON cloaca_run (owner)
WHERE owner IS NOT NULL AND ended_at IS NULL
    AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL OR replacements > 0 OR messages > 0);

-- A run that waits for a message and for no instant is due at 2^62, and in neither of these.
DROP INDEX cloaca_run_due;

CREATE INDEX cloaca_run_due ON cloaca_run (workflow, due_at, id)
WHERE due_at < 4611686018427387904 AND owner IS NULL AND ended_at IS NULL;

DROP INDEX cloaca_run_parked;

CREATE INDEX cloaca_run_parked ON cloaca_run (workflow, claimable_at)
WHERE due_at < 4611686018427387904 AND owner IS NULL AND ended_at IS NULL;

-- For people with a shell: what runs wait for that go on, with readable instants.
CREATE VIEW cloaca_wait_readable AS
SELECT
    run_id, task_id, kind, name, number, attempt,
    strftime('%Y-%m-%dT%H:%M:%S', opened_at / 1000000, 'unixepoch')
        || printf('.%06dZ', opened_at % 1000000) AS opened_at,
    strftime('%Y-%m-%dT%H:%M:%S', due_at / 1000000, 'unixepoch')
        || printf('.%06dZ', due_at % 1000000) AS due_at,
    timed_out, detail
FROM cloaca_wait
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL
);

-- For people with a shell: messages with readable instants.
CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    strftime('%Y-%m-%dT%H:%M:%S', sent_at / 1000000, 'unixepoch')
        || printf('.%06dZ', sent_at % 1000000) AS sent_at,
    taken_by
FROM cloaca_message
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_message.run_id
);
