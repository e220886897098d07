-- Long payloads of runs, in rows of their own: SQLite rewrites all pages of a row whose length changes,
-- and such a payload takes many. An empty text in the row of the run stands for one that is here.


-- name: insert_input
-- Keep the input of a run that was inserted without it.
INSERT INTO cloaca_payload (run_id, round, content)
SELECT id, 0, :content FROM cloaca_run WHERE id = :run_id AND input = ''
ON CONFLICT DO NOTHING;


-- name: insert_final_context
-- Keep the final context of a round that its owner has ended without it.
INSERT INTO cloaca_payload (run_id, round, content)
SELECT id, round, :content FROM cloaca_run
WHERE id = :run_id AND owner = :runner_id AND epoch = :fence AND final_context = ''
    AND EXISTS (SELECT 1 FROM cloaca_runner WHERE id = :runner_id AND fenced = 0)
ON CONFLICT DO NOTHING;


-- name: copy_input
-- Give a new run the input of the run that it was made of.
INSERT INTO cloaca_payload (run_id, round, content)
SELECT :id, 0, content FROM cloaca_payload
WHERE run_id = :source_id AND round = 0
    AND EXISTS (SELECT 1 FROM cloaca_run WHERE id = :id AND input = '')
ON CONFLICT DO NOTHING;


-- name: erase_payloads
-- Delete the long payloads of runs that are deleted in the same transaction.
DELETE FROM cloaca_payload
WHERE run_id IN :ids AND EXISTS (SELECT 1 FROM cloaca_upkeep WHERE id = 1 AND holder = :holder);
