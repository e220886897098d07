-- What runs wait for, and messages to them.

-- Open waits: kind is "sleep", "event" or "approval", name the event, number how often a body met both in
-- one attempt (0: a node). The wait ends at due_at, if it has one, or by a message. timed_out: 1 once it
-- was decided that its time is over. detail: a JSON object for people who answer.
CREATE TABLE cloaca_wait (
    run_id TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    input_hash TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    due_at BIGINT,
    detail TEXT NOT NULL,
    timed_out BIGINT NOT NULL,
    PRIMARY KEY (run_id, task_id, kind, name, number)
);

CREATE INDEX cloaca_wait_approval ON cloaca_wait (opened_at, run_id, task_id)
WHERE kind = 'approval' AND timed_out = 0;

-- Messages, in the order of the numbers that they have in their run, from 1. number: NULL until a runner
-- has numbered a message that a user's transaction wrote. taken_by: the task whose wait it has ended; NULL
-- while it is unread. Of messages with one dedupe_key the first one counts.
CREATE TABLE cloaca_message (
    run_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    number BIGINT,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    payload TEXT NOT NULL,
    dedupe_key TEXT COLLATE "C",
    sent_by TEXT,
    sent_at BIGINT NOT NULL,
    taken_by TEXT COLLATE "C",
    PRIMARY KEY (run_id, id)
);

CREATE UNIQUE INDEX cloaca_message_unread ON cloaca_message (run_id, number) WHERE taken_by IS NULL;

CREATE INDEX cloaca_message_unnumbered ON cloaca_message (run_id) WHERE number IS NULL;

CREATE INDEX cloaca_message_key ON cloaca_message (run_id, kind, name, dedupe_key)
WHERE dedupe_key IS NOT NULL;

-- messages: the last number that a message to the run has. The owner of a run that has any looks for more.
ALTER TABLE cloaca_run ADD COLUMN messages BIGINT NOT NULL DEFAULT 0;

-- rests_since: since when all that is left of a parked run waits for sleeps, events and approvals, until a
-- claim has added that to stood_still.
ALTER TABLE cloaca_run ADD COLUMN rests_since BIGINT;

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

-- As for the other rows of runs: they go in batches, every hour.
ALTER TABLE cloaca_wait SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000
);

ALTER TABLE cloaca_message SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 2000
);

-- For people with a shell: what runs wait for that go on, with readable instants.
CREATE VIEW cloaca_wait_readable AS
SELECT
    run_id, task_id, kind, name, number, attempt,
    to_timestamp(opened_at / 1000000.0) AS opened_at,
    to_timestamp(due_at / 1000000.0) AS due_at,
    timed_out, detail
FROM cloaca_wait
WHERE EXISTS (
    SELECT 1 FROM cloaca_run AS run WHERE run.id = cloaca_wait.run_id AND run.ended_at IS NULL
);

-- For people with a shell: messages with readable instants.
CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    to_timestamp(sent_at / 1000000.0) AS sent_at,
    taken_by
FROM cloaca_message
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_message.run_id
);
