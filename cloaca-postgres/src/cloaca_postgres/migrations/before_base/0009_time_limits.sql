-- Time limits of runs. time_limit is what a run, or the runs of a schedule, may take, in µs: -1 for
-- any time, NULL where none was given, so that the workflow or the runner decides. deadline_at is
-- when the time of the run's parent is over, at which the run ends as well.

ALTER TABLE cloaca_run ADD COLUMN time_limit BIGINT;

ALTER TABLE cloaca_run ADD COLUMN deadline_at BIGINT;

ALTER TABLE cloaca_schedule ADD COLUMN time_limit BIGINT;
