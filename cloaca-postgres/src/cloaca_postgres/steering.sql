-- Statements that steer runs and that PostgreSQL words in its own way, by the rules at the head of
-- runs.sql, and why.
--
-- * lock_steered: locks the roots of trees, too.


-- name: lock_steered
-- Lock these runs, and the roots of their trees, which prune locks: what the later statements of the
-- transaction find is what they are decided by.
SELECT run.id FROM cloaca_run AS run
WHERE run.id = ANY(CAST(:ids AS TEXT[]) || ARRAY(
        SELECT part.root_id FROM cloaca_run AS part
        WHERE part.id = ANY(CAST(:ids AS TEXT[])) AND part.root_id IS NOT NULL
    ))
ORDER BY run.id
FOR NO KEY UPDATE OF run;
