-- An act's id, which all its rows share, was looked for in the index of the newest: a part of what was
-- steered at once was found by a look at all acts there are. Only what is listed by time finds this one.
DROP INDEX cloaca_act_newest;

CREATE INDEX cloaca_act_newest ON cloaca_act (created_at, id) WHERE created_at >= 0;
