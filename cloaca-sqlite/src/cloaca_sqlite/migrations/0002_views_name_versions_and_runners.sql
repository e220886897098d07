-- The views for people tell by which version of its workflow a run ran, and which runner, process and
-- host ran an attempt.

DROP VIEW cloaca_run_readable;

CREATE VIEW cloaca_run_readable AS
SELECT
    id, workflow, status, error_message, tags,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch')
        || printf('.%06dZ', created_at % 1000000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch')
        || printf('.%06dZ', started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_at % 1000000) AS ended_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    CASE input WHEN '' THEN (
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = cloaca_run.id AND beside.round = 0
    ) ELSE input END AS input,
    CASE
        WHEN final_context <> '' THEN final_context
        WHEN ended_at IS NOT NULL THEN coalesce((
            SELECT beside.content FROM cloaca_payload AS beside
            WHERE beside.run_id = cloaca_run.id
                AND beside.round = iif(final_context = '', cloaca_run.round, 0)
        ), input)
    END AS final_context,
    version, owner, epoch, recoveries, parent_id, idempotency_key,
    round, priority, steer_reason, queue, child_kind, singleton_key,
    CASE WHEN started_at IS NOT NULL THEN coalesce(ran_version, version) END AS ran_version
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);

DROP VIEW cloaca_attempt_readable;

CREATE VIEW cloaca_attempt_readable AS
SELECT
    run_id, task_id, item, attempt, status, error_type, error_message, skip_reason,
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000000, 'unixepoch')
        || printf('.%06dZ', started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch')
        || printf('.%06dZ', ended_at % 1000000) AS ended_at,
    strftime('%Y-%m-%dT%H:%M:%S', retry_at / 1000000, 'unixepoch')
        || printf('.%06dZ', retry_at % 1000000) AS retry_at,
    (ended_at - started_at) / 1000000.0 AS seconds,
    change, error_traceback, crashes, epoch,
    ran_in.id AS runner, ran_in.process, ran_in.host
FROM cloaca_attempt
LEFT JOIN cloaca_runner_name AS ran_in
    ON ran_in.number = cloaca_attempt.runner AND cloaca_attempt.attempt > 0
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_attempt.run_id
);
