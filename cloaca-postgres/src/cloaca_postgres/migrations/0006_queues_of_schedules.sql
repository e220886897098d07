-- queue: the queue that runs of the schedule ask for, NULL for none.
ALTER TABLE cloaca_schedule ADD COLUMN queue TEXT COLLATE "C";
