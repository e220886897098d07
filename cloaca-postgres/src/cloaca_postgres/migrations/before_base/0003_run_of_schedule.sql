-- Which schedule has made a run, and behind which run it waits: it may start when that has ended.

ALTER TABLE cloaca_run ADD COLUMN schedule_id TEXT COLLATE "C";

ALTER TABLE cloaca_run ADD COLUMN behind TEXT COLLATE "C";

DROP INDEX cloaca_run_claimable;

CREATE INDEX cloaca_run_claimable ON cloaca_run (workflow, id)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL;

CREATE INDEX cloaca_run_of_schedule ON cloaca_run (schedule_id, id)
WHERE schedule_id IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_behind ON cloaca_run (behind) WHERE behind IS NOT NULL;
