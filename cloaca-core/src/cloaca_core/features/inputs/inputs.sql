-- Inputs that workflows declare. Read the head of store/sql/runs.sql first.


-- name: fill_input
-- Keep the defaults that were filled into the inputs of runs that the runner still owns. The first ones
-- stay: a later owner may have another version of the workflow, with other defaults.
INSERT INTO cloaca_replacement (run_id, number, content, created_at)
SELECT :new.run_id, 0, :new.content, :new.created_at
FROM :rows AS new, cloaca_run AS run, cloaca_runner AS runner
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND runner.id = run.owner AND runner.fenced = 0
ON CONFLICT DO NOTHING;
