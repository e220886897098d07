-- Runners that were declared dead, and what became of their runs; upkeep deletes a row a day later.
-- taken_over: runs that other runners took over. begun_again: those of them in which a body ran.
-- cancelled: runs that were being cancelled, and ended.
CREATE TABLE cloaca_lost_runner (
    id TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    host TEXT COLLATE "C",
    queues TEXT COLLATE "C",
    sharing TEXT COLLATE "C",
    lost_at BIGINT NOT NULL,
    taken_over BIGINT NOT NULL,
    begun_again BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    PRIMARY KEY (id, started_at)
);
