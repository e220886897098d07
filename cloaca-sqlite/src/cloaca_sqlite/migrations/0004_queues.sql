-- asked_queue: the queue that the submission of a run has asked for, NULL for none. After a move to
-- another queue it still counts for tasks that name none.
ALTER TABLE cloaca_run ADD COLUMN asked_queue TEXT;

-- overdue_at: when the time limit passes of a run that its owner has given back, and that may wait in
-- a queue for which no runner is there. From then on any runner of its workflow ends it.
ALTER TABLE cloaca_run ADD COLUMN overdue_at INTEGER;
CREATE INDEX cloaca_run_overdue ON cloaca_run (workflow, queue, overdue_at)
WHERE overdue_at IS NOT NULL AND owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL;

-- queues: a JSON list of the queues that the runner serves, NULL for all. Runners of protocol 3 run
-- tasks of all queues: they are fenced, and not registered again.
UPDATE cloaca_runner SET fenced = 1, protocol = 4;
ALTER TABLE cloaca_runner ADD COLUMN queues TEXT CHECK (protocol >= 4);

-- The queues that runs of a workflow have been submitted to or that its tasks name, but for the usual
-- one. A runner that serves all queues looks for runs by name.
CREATE TABLE cloaca_queue (
    workflow TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (workflow, name)
) STRICT, WITHOUT ROWID;
