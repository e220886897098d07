-- Acts but submissions, newest first: of these there may be as many as runs.
CREATE INDEX cloaca_act_asked ON cloaca_act (created_at, id) WHERE kind <> 'submit';
