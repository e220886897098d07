-- Which schedule has made a run, and behind which run it waits: it may start when that has ended.

ALTER TABLE cloaca_run ADD COLUMN schedule_id TEXT;

ALTER TABLE cloaca_run ADD COLUMN behind TEXT;

-- Claims ask for owner NULL, behind NULL and a workflow, takeovers for an owner.
DROP INDEX cloaca_run_active;

CREATE INDEX cloaca_run_active ON cloaca_run (owner, behind, workflow, id) WHERE ended_at IS NULL;

CREATE INDEX cloaca_run_of_schedule ON cloaca_run (schedule_id, id)
WHERE schedule_id IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_behind ON cloaca_run (behind) WHERE behind IS NOT NULL;
