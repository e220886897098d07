-- Runs that were made of others: of which, from which of its tasks on, and the keys that were set just
-- before that task (content, a JSON object or NULL). One that was made of such a run has those keys as
-- well, if it keeps the result of that task.
CREATE TABLE cloaca_fork (
    run_id TEXT COLLATE "C" NOT NULL,
    forked_from TEXT COLLATE "C" NOT NULL,
    from_task TEXT COLLATE "C" NOT NULL,
    content TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, from_task)
);
