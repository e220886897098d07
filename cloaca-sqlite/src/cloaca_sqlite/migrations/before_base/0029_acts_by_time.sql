-- Acts of one kind, of one person or of all, newest first.
CREATE INDEX cloaca_act_of_person ON cloaca_act (asked_by, kind, created_at, id, run_id);

CREATE INDEX cloaca_act_of_kind ON cloaca_act (kind, created_at, id, run_id);
