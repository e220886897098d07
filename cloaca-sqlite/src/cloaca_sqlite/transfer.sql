-- Whole tables as SQLite reads them: long payloads of runs are in rows of their own (see
-- payloads.sql), and are put back here. They are written in the rows of their runs, where they may
-- stand as well.


-- name: page_run
-- Read runs, with their payloads, after a key.
SELECT :columns(
    run AS run,
    input = CASE run.input WHEN '' THEN given.content ELSE run.input END,
    final_context = CASE run.final_context WHEN '' THEN ended.content ELSE run.final_context END
)
FROM cloaca_run AS run
LEFT JOIN cloaca_payload AS given ON given.run_id = run.id AND given.round = 0
LEFT JOIN cloaca_payload AS ended ON ended.run_id = run.id AND ended.round = run.round
WHERE run.id > :id
ORDER BY run.id
LIMIT :limit;


-- name: page_round
-- Read ended rounds of runs after a key.
SELECT :columns(
    round AS past,
    final_context = CASE past.final_context WHEN '' THEN ended.content ELSE past.final_context END
)
FROM cloaca_round AS past
LEFT JOIN cloaca_payload AS ended ON ended.run_id = past.run_id AND ended.round = past.round
WHERE (past.run_id, past.round) > (:key_values(round))
ORDER BY past.run_id, past.round
LIMIT :limit;
