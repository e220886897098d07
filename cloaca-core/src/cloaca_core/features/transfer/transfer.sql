-- Whole tables, for a copy of a database: pages in the order of their keys, and rows as they are. A
-- statement with TABLE in its name is made for each table of store/tables.py.


-- name: page_TABLE
-- Read rows of a table after a key.
SELECT :columns(TABLE)
FROM cloaca_TABLE
WHERE (:key(TABLE)) > (:key_values(TABLE))
ORDER BY :key(TABLE)
LIMIT :limit;


-- name: last_TABLE
-- Read the last key of a table.
SELECT :key(TABLE) FROM cloaca_TABLE
ORDER BY :key(TABLE DESC)
LIMIT 1;


-- name: put_TABLE
-- Write rows of a table.
INSERT INTO cloaca_TABLE :rows(:columns(TABLE));


-- name: put_runner_name
-- Write names of runners that are not there yet.
INSERT INTO cloaca_runner_name :rows(:columns(runner_name))
ON CONFLICT (number) DO NOTHING;


-- name: strays_TABLE
-- Count rows of a table of runs whose run is not there.
SELECT count(*) FROM cloaca_TABLE AS stray
WHERE NOT EXISTS (SELECT 1 FROM cloaca_run AS run WHERE run.id = stray.run_id);


-- name: keep_all
-- Note that nothing is pruned unless that is asked for.
UPDATE cloaca_upkeep SET keeps_all = 1 WHERE id = 1;
