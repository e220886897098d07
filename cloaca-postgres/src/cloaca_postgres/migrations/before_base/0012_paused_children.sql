-- A run is paused with its children, and a retry tells whether it began them again.

-- pause_id: the act by which the run and its children are paused; NULL if they are not.
ALTER TABLE cloaca_run ADD COLUMN pause_id TEXT COLLATE "C";

-- paused_with: the pause of its parent that has last come to the run, also if it was resumed since. NULL
-- if none has, or if the run was paused on its own.
ALTER TABLE cloaca_run ADD COLUMN paused_with TEXT COLLATE "C";

-- pause_follows: 1 while its children are still to be paused, or let go, as it was.
ALTER TABLE cloaca_run ADD COLUMN pause_follows INTEGER;

CREATE INDEX cloaca_run_pause_follows ON cloaca_run (id) WHERE pause_follows IS NOT NULL;

-- with_children: 1 if failed children of the task were begun again before it: its first attempt finds
-- them then, whatever they come to.
ALTER TABLE cloaca_restart ADD COLUMN with_children INTEGER NOT NULL DEFAULT 0;
