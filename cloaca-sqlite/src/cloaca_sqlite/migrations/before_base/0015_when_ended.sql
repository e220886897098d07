-- Runs that follow the ends of others.

-- follows, follows_round, follows_place: the run was inserted when that run ended that round, for the
-- row of cloaca_when_ended with that place. One is there once, however often the end is sent.
ALTER TABLE cloaca_run ADD COLUMN follows TEXT;

ALTER TABLE cloaca_run ADD COLUMN follows_round INTEGER;

ALTER TABLE cloaca_run ADD COLUMN follows_place INTEGER;

CREATE UNIQUE INDEX cloaca_run_follows ON cloaca_run (follows, follows_round, follows_place)
WHERE follows IS NOT NULL;

-- What follows the ends of runs of a version of a workflow: a row for each state in which they end.
CREATE TABLE cloaca_when_ended (
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    place INTEGER NOT NULL,
    status TEXT NOT NULL,
    submits TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (workflow, version, place, status)
) STRICT;
