-- What a person has done is looked for by name, and what failed by when it did. No run that completes
-- is in either index.
CREATE INDEX cloaca_act_by ON cloaca_act (asked_by, run_id);

CREATE INDEX cloaca_run_failed ON cloaca_run (ended_at, id) WHERE status = 'Failed';
