-- cloaca_run_of_singleton: the runs of a singleton key that have not ended, in their order.
CREATE INDEX cloaca_run_of_singleton ON cloaca_run (workflow, singleton_key, created_at, id)
WHERE singleton_key IS NOT NULL AND ended_at IS NULL;
