-- Who has run an attempt: its runner's number, which a name belongs to that stays when the runner is gone.
-- NULL in rows of earlier versions. gone_at is when upkeep found the runner gone.
CREATE TABLE cloaca_runner_name (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    gone_at INTEGER
) STRICT;

ALTER TABLE cloaca_runner ADD COLUMN number INTEGER;

ALTER TABLE cloaca_attempt ADD COLUMN runner INTEGER;
