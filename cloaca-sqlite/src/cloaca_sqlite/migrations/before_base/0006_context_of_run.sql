-- What a trigger's run was fired with, also beside the run: whether one with that context is active
-- is one look that way. By the events of all active ones it was as many looks as there are of those,
-- for each of ten thousand files that arrive together.

ALTER TABLE cloaca_run ADD COLUMN context_hash TEXT;

UPDATE cloaca_run
SET context_hash = (
    SELECT event.context_hash FROM cloaca_event AS event WHERE event.run_id = cloaca_run.id
)
WHERE schedule_id IS NOT NULL AND ended_at IS NULL;

CREATE INDEX cloaca_run_of_context ON cloaca_run (schedule_id, context_hash)
WHERE context_hash IS NOT NULL AND ended_at IS NULL;

DROP INDEX cloaca_event_run;
