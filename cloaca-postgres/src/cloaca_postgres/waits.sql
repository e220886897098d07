-- Statements about waits and messages that PostgreSQL words in its own way. The rules are at the head of
-- runs.sql.
--
-- * drop_repeated: what two transactions have sent with one key is an act of one of them.


-- name: drop_repeated
-- Delete messages of these runs whose keys other messages have, which have numbers, and the acts that
-- they were.
WITH dropped AS (
    DELETE FROM cloaca_message AS repeated
    WHERE repeated.run_id = ANY(CAST(:ids AS TEXT[])) AND repeated.number IS NULL AND EXISTS (
        SELECT 1 FROM cloaca_message AS earlier
        WHERE earlier.run_id = repeated.run_id AND earlier.kind = repeated.kind
            AND earlier.name = repeated.name AND earlier.dedupe_key = repeated.dedupe_key
            AND earlier.dedupe_key IS NOT NULL AND earlier.number IS NOT NULL
    )
    RETURNING repeated.run_id, repeated.id
)
DELETE FROM cloaca_act AS act USING dropped WHERE act.run_id = dropped.run_id AND act.id = dropped.id;
