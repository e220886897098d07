-- Definitions of workflows as runners registered them, for programs that lack their code: all
-- versions, and the newest of each workflow, which is the one that was registered last.
CREATE TABLE cloaca_definition (
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (workflow, version)
) STRICT;

CREATE TABLE cloaca_workflow (
    workflow TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    short_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX cloaca_workflow_name ON cloaca_workflow (name);

CREATE INDEX cloaca_workflow_short_name ON cloaca_workflow (short_name);
