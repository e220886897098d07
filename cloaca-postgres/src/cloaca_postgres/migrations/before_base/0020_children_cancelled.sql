-- Children that are added to runs that were cancelled.

-- cancels_children: set if the run is to be cancelled, or was, with its children: those that are added
-- later do not begin. NULL in any other round: its children are left alone.
ALTER TABLE cloaca_run ADD COLUMN cancels_children INTEGER;

UPDATE cloaca_run SET cancels_children = 1 WHERE children_at IS NOT NULL;
