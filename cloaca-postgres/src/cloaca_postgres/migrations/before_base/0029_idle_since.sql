-- Since when a runner owns no run, by its own clock; NULL while it may own some. A runner that owned
-- nothing had no lease before: it gets one when it beats.
ALTER TABLE cloaca_runner ADD COLUMN idle_since bigint;
