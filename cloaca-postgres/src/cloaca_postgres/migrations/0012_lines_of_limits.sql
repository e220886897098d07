-- edition: grows with each change of a row, so that the newest row of an id is the last in the order of the
-- key. An old snapshot keeps all earlier ones, and none of them is read.
-- keys_rank, keys_at, keys_oldest: of a limit as a whole: no line with a key that has places comes earlier
-- in its order, NULL if there is none. Here as low as they can be: the next decision finds them.
-- looked_at: of a limit as a whole: lines that open by then have been opened.
ALTER TABLE cloaca_limit_line RENAME COLUMN waits TO edition;
ALTER TABLE cloaca_limit_line
    ADD COLUMN keys_rank BIGINT,
    ADD COLUMN keys_at BIGINT,
    ADD COLUMN keys_oldest BIGINT,
    ADD COLUMN looked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cloaca_limit_line DROP CONSTRAINT cloaca_limit_line_pkey;
ALTER TABLE cloaca_limit_line ADD PRIMARY KEY (id, edition);
UPDATE cloaca_limit_line SET keys_rank = -4611686018427387904, keys_at = 0, keys_oldest = 0 WHERE key = '';

-- Grants of a runner are found by limit and number, behind those that it has seen.
DROP INDEX cloaca_limit_grant_runner;
CREATE INDEX cloaca_limit_grant_runner ON cloaca_limit_grant (runner_id, name, number);
