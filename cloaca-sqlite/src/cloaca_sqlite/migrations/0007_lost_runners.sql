-- Runners that were declared dead, and what became of their runs; upkeep deletes a row a day later.
-- taken_over: runs that other runners took over. begun_again: those of them in which a body ran.
-- cancelled: runs that were being cancelled, and ended.
CREATE TABLE cloaca_lost_runner (
    id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT,
    queues TEXT,
    sharing TEXT,
    lost_at INTEGER NOT NULL,
    taken_over INTEGER NOT NULL,
    begun_again INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (id, started_at)
) STRICT, WITHOUT ROWID;
