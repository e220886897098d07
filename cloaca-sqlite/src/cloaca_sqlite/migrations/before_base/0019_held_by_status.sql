-- Runs without an owner are listed and counted by status: those that something holds back, and those
-- that may be claimed and have begun (or waited) before. A plain run is in neither. All that waited,
-- a million perhaps, were looked at for each page.

DROP INDEX cloaca_run_held;

CREATE INDEX cloaca_run_held ON cloaca_run (status, id, workflow)
WHERE owner IS NULL AND ended_at IS NULL
    AND (behind IS NOT NULL OR paused_at IS NOT NULL OR due_at IS NOT NULL);

CREATE INDEX cloaca_run_woken ON cloaca_run (status, id, workflow)
WHERE owner IS NULL AND ended_at IS NULL AND behind IS NULL AND paused_at IS NULL
    AND due_at IS NULL AND status <> 'Pending';
