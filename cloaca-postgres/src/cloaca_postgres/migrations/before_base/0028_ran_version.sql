-- The version of its workflow that the last owner of a run ran it by. NULL if that is the one that the run
-- was submitted with.
ALTER TABLE cloaca_run ADD COLUMN ran_version TEXT;
