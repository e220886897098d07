-- Runs are listed by the run that has submitted them, also those that have ended.
CREATE INDEX cloaca_run_of_parent ON cloaca_run (parent_id, id) WHERE parent_id IS NOT NULL;
