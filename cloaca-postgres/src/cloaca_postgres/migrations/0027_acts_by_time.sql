-- Acts of one person, and acts of one kind, newest first.
CREATE INDEX cloaca_act_of_person ON cloaca_act (asked_by, created_at, id, run_id, kind);

CREATE INDEX cloaca_act_of_kind ON cloaca_act (kind, created_at, id, run_id);
