-- Definitions of workflows as runners registered them, for programs that lack their code: all
-- versions, and the newest of each workflow, which is the one that was registered last.
CREATE TABLE cloaca_definition (
    workflow TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    content TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (workflow, version)
);

CREATE TABLE cloaca_workflow (
    workflow TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    short_name TEXT COLLATE "C" NOT NULL
);

CREATE INDEX cloaca_workflow_name ON cloaca_workflow (name);

CREATE INDEX cloaca_workflow_short_name ON cloaca_workflow (short_name);
