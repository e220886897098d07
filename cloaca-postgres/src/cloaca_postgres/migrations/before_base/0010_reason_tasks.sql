-- reason_tasks: the tasks that a run's reason_code is about, as JSON; NULL for none.
ALTER TABLE cloaca_run ADD COLUMN reason_tasks TEXT;
