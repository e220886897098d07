-- Long payloads of runs, which leave the row of the run: it is updated whenever something happens to
-- the run, and all of it is rewritten then. round is 0 for the input, else that of the final context.
-- Rows that are here already keep theirs. With a rowid, as one without would be searched through the
-- payloads.
CREATE TABLE cloaca_payload (
    run_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (run_id, round)
) STRICT;

-- For people with a SQLite shell: runs with readable instants.
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
    round, priority, steer_reason
FROM cloaca_run
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
);
