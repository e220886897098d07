-- Keys of runs that were replaced when those were resumed: content is a JSON object, number counts the
-- replacements of a run from 1. Tasks that start after one see its keys.
CREATE TABLE cloaca_replacement (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT;

-- replacements: of a run how many there are, of an attempt how many of them it has seen. The owner of a
-- run that has any looks for more.
ALTER TABLE cloaca_run ADD COLUMN replacements INTEGER NOT NULL DEFAULT 0;

ALTER TABLE cloaca_attempt ADD COLUMN replacements INTEGER NOT NULL DEFAULT 0;

DROP INDEX cloaca_run_steered;

CREATE INDEX cloaca_run_steered ON cloaca_run (owner)
WHERE owner IS NOT NULL AND ended_at IS NULL
    AND (cancel_at IS NOT NULL OR paused_at IS NOT NULL OR replacements > 0);
