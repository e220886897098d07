-- Who has run an attempt: its runner's number, which a name belongs to that stays when the runner is gone.
-- NULL in rows of earlier versions. gone_at is when upkeep found the runner gone.
CREATE TABLE cloaca_runner_name (
    number BIGINT NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    host TEXT NOT NULL,
    process BIGINT NOT NULL,
    gone_at BIGINT
);

ALTER TABLE cloaca_runner ADD COLUMN number BIGINT;

ALTER TABLE cloaca_attempt ADD COLUMN runner BIGINT;
