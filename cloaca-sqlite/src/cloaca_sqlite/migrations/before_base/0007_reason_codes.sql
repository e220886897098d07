-- Why a run ended without completing, or a task was skipped or cut short, as a code: programs decide
-- by it, people read the text beside it. NULL in rows that an older version has written, or still
-- writes where its runners are open on the same database. limit_seconds is the deadline that a run
-- has exceeded.

ALTER TABLE cloaca_run ADD COLUMN reason_code TEXT;

ALTER TABLE cloaca_run ADD COLUMN limit_seconds INTEGER;

ALTER TABLE cloaca_attempt ADD COLUMN reason_code TEXT;
