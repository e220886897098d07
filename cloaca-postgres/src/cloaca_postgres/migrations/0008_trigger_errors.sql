-- last_error: the error of the last poll of a trigger, NULL after a good one. failing_since: the first
-- failed poll in a row. failed_polls: their number. error_at: when the error was written last.
ALTER TABLE cloaca_trigger ADD COLUMN last_error TEXT COLLATE "C";
ALTER TABLE cloaca_trigger ADD COLUMN failing_since BIGINT;
ALTER TABLE cloaca_trigger ADD COLUMN failed_polls BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cloaca_trigger ADD COLUMN error_at BIGINT;
