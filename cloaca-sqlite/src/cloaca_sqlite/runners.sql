-- Statements about runners with a list as a parameter, which json_each unpacks.


-- name: release
-- Give back what a runner owns beside these runs; no crash is counted.
UPDATE cloaca_run SET owner = NULL, epoch = epoch + 1
WHERE owner = :runner_id AND ended_at IS NULL AND id NOT IN (SELECT value FROM json_each(:held))
RETURNING id;
