-- Statements about next rounds and forks that SQLite words in its own way, and why.
--
-- * list_rounds: an empty text stands for a final context that is in cloaca_payload.


-- name: list_rounds
-- How the earlier rounds of a run have ended, oldest first. The final context of a cancelled one is
-- the input.
SELECT ended.run_id, ended.round, ended.status, ended.error_message, ended.reason_code,
    ended.limit_seconds,
    CASE WHEN ended.final_context <> '' THEN ended.final_context ELSE coalesce((
        SELECT beside.content FROM cloaca_payload AS beside
        WHERE beside.run_id = ended.run_id
            AND beside.round = iif(ended.final_context = '', ended.round, 0)
    ), run.input) END AS final_context,
    ended.started_at, ended.ended_at
FROM cloaca_round AS ended
JOIN cloaca_run AS run ON run.id = ended.run_id
WHERE ended.run_id = :run_id ORDER BY ended.round;
