-- The trace that a run belongs to, or the span that has submitted it (see telemetry/origin.py). NULL unless
-- its submitter traces.
ALTER TABLE cloaca_run ADD COLUMN trace TEXT;
