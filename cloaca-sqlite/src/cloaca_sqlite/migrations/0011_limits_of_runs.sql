-- The places that belong to runs, and those that were given to runs without an owner.
CREATE INDEX cloaca_limit_grant_run ON cloaca_limit_grant (run_id)
WHERE task_id = '' OR runner_id IS NULL;
