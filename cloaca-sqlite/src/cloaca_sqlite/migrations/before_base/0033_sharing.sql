-- What a runner tells others of its work, as JSON: whether it asks for runs, of which workflows, and
-- how many of its own wait for a slot while another one asks; NULL for none of that.
ALTER TABLE cloaca_runner ADD COLUMN sharing TEXT;
