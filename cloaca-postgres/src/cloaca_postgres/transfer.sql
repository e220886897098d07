-- Whole tables as PostgreSQL reads them: the one key that is not stored in the order of bytes is read in it.


-- name: page_when_ended
-- Read what follows the ends of runs after a key, in the order of bytes.
SELECT :columns(when_ended)
FROM cloaca_when_ended
WHERE (workflow, version COLLATE "C", place, status COLLATE "C") > (:key_values(when_ended))
ORDER BY workflow, version COLLATE "C", place, status COLLATE "C"
LIMIT :limit;


-- name: last_when_ended
-- Read the last key of what follows the ends of runs, in the order of bytes.
SELECT :key(when_ended) FROM cloaca_when_ended
ORDER BY workflow DESC, version COLLATE "C" DESC, place DESC, status COLLATE "C" DESC
LIMIT 1;
