-- When somebody asked a runner to leave; NULL if nobody has.
ALTER TABLE cloaca_runner ADD COLUMN draining_since INTEGER;
