-- Definitions of workflows as runners registered them, for programs that lack their code. number
-- grows with each registration of another version: the greatest is the newest.
CREATE TABLE cloaca_definition (
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    short_name TEXT NOT NULL,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (workflow, version)
) STRICT;

CREATE INDEX cloaca_definition_newest ON cloaca_definition (workflow, number, version);

CREATE INDEX cloaca_definition_name ON cloaca_definition (name);

CREATE INDEX cloaca_definition_short_name ON cloaca_definition (short_name);
