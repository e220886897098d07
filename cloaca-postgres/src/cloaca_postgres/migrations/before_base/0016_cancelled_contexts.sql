-- For people with a shell: runs with readable instants. Where a run was cancelled the final context is
-- NULL from now on: it is the input, which need not be there twice.
CREATE OR REPLACE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    to_timestamp(created_at / 1000000.0) AS created_at,
    to_timestamp(started_at / 1000000.0) AS started_at,
    to_timestamp(ended_at / 1000000.0) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    input,
    coalesce(final_context, CASE WHEN ended_at IS NOT NULL THEN input END) AS final_context,
    version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);
