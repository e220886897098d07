-- Children, and how they are cancelled, paused and resumed with their parents. Read the head of
-- steering.sql first.
--
-- Two marks on the row of a parent say that children are still to follow it: children_at (to be
-- cancelled) and pause_follows (to be paused or let go on). A parent that is paused with its children has
-- the id of that pause in pause_id; a child to which it has come has the same id in paused_with.
--
-- A parent that has failed cancels the children for which it waited (child_kind), and leaves the others.
-- A run with these marks that is Failed is such a parent.
--
-- Children of an attached child that has ended follow the run above it, at any depth. They are found
-- from below, among the runs of the tree that are under way, however many have ended. Once
-- after an act they are looked for even if all children have ended: cancels_children and pause_follows
-- of a run with children are 2 until then.


-- name: list_children
-- The runs that these have submitted and that end with them, those of each parent oldest first.
SELECT parent_id, id, status, idempotency_key, workflow, round FROM cloaca_run
WHERE parent_id IN :ids AND parent_id IS NOT NULL AND detached = 0
    AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(cloaca_run.root_id, cloaca_run.id)
    )
ORDER BY parent_id, id;


-- name: list_stopped_with_parents
-- Those of these runs whose parent is being cancelled with its children, or was, with its id and why; or,
-- if the parent has ended otherwise, in its first round, a run above it. They were added when nothing
-- looked at the parent.
WITH RECURSIVE lineage (id, above, is_awaited) AS (
    SELECT child.id, child.parent_id, CASE WHEN child.child_kind IS NULL THEN 0 ELSE 1 END
    FROM cloaca_run AS child
    WHERE child.id IN :ids AND child.detached = 0
    UNION ALL
    SELECT lineage.id, ended.parent_id, 0
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above
        AND (ended.cancels_children IS NULL OR ended.status = 'Failed')
        AND +ended.ended_at IS NOT NULL AND ended.round = 1 AND ended.detached = 0
)
SELECT
    lineage.id, parent.id AS parent_id, coalesce(parent.steer_reason, '') AS because,
    CASE WHEN parent.status = 'Failed' THEN 1 ELSE 0 END AS has_failed
FROM lineage CROSS JOIN cloaca_run AS parent
WHERE parent.id = lineage.above AND parent.cancels_children IS NOT NULL
    AND (parent.status <> 'Failed' OR lineage.is_awaited = 1)
ORDER BY lineage.id;


-- name: list_paused_with_parents
-- Those of these runs that are paused, and those to which the pause of their parent has still to come,
-- with its id and why it is paused.
SELECT child.id, parent.id AS parent_id, coalesce(parent.steer_reason, '') AS because, 0 AS has_failed
FROM cloaca_run AS child CROSS JOIN cloaca_run AS parent
WHERE child.id IN :ids AND parent.id = child.parent_id
    AND (
        child.paused_at IS NOT NULL
        OR (child.detached = 0 AND coalesce(child.paused_with, '') <> parent.pause_id)
    )
ORDER BY child.id;


-- name: list_ended_parents
-- Those of these runs that have ended and whose children are still to be cancelled.
SELECT
    id, coalesce(steer_reason, '') AS because, children_at,
    CASE WHEN status = 'Failed' THEN 1 ELSE 0 END AS has_failed
FROM cloaca_run WHERE id IN :ids AND children_at IS NOT NULL AND +ended_at IS NOT NULL
ORDER BY id;


-- name: children_under_way
-- Runs that these have submitted, and that end with them. The LIMIT keeps a planner from reading all
-- failed runs for a join.
SELECT parent_id, id FROM cloaca_run
WHERE parent_id IN :ids AND parent_id IS NOT NULL AND ended_at IS NULL AND detached = 0
    AND cancel_at IS NULL
    AND (
        child_kind IS NOT NULL
        OR (
            SELECT parent.id FROM cloaca_run AS parent
            WHERE parent.id = cloaca_run.parent_id AND parent.status = 'Failed'
                AND parent.cancels_children IS NOT NULL
            LIMIT 1
        ) IS NULL
    )
ORDER BY parent_id, id LIMIT :limit;


-- name: descendants_under_way
-- Runs that end with these although their own parents have ended.
WITH RECURSIVE lineage (id, parent_id, above) AS (
    SELECT child.id, child.parent_id, child.parent_id
    FROM cloaca_run AS top CROSS JOIN cloaca_run AS child
    WHERE top.id IN :ids AND child.root_id = coalesce(top.root_id, top.id)
        AND child.root_id IS NOT NULL AND child.ended_at IS NULL AND child.cancel_at IS NULL
    UNION
    SELECT lineage.id, lineage.parent_id, ended.parent_id
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above AND +ended.ended_at IS NOT NULL AND ended.detached = 0
        AND NOT ended.id IN :ids
)
SELECT above, id FROM lineage
WHERE above IN :ids AND parent_id <> above AND NOT EXISTS (
    SELECT 1 FROM cloaca_run AS top
    WHERE top.id = lineage.above AND top.status = 'Failed' AND top.cancels_children IS NOT NULL
)
ORDER BY above, id LIMIT :limit;


-- name: children_out_of_step
-- Runs that these have submitted and that are to be paused or let go with them: that are not paused on
-- their own, and to which the pause of their parent has not come yet, or that are paused with it still.
SELECT child.parent_id, child.id
FROM cloaca_run AS parent
JOIN cloaca_run AS child ON child.parent_id = parent.id
WHERE parent.id IN :ids AND child.parent_id IN :ids AND child.parent_id IS NOT NULL
    AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
    AND coalesce(child.paused_with, '') <> coalesce(parent.pause_id, '')
    AND (child.paused_at IS NOT NULL OR parent.pause_id IS NOT NULL)
    AND (child.paused_at IS NULL OR child.paused_with IS NOT NULL)
ORDER BY child.parent_id, child.id LIMIT :limit;


-- name: descendants_out_of_step
-- The same of runs whose own parents have ended.
WITH RECURSIVE lineage (id, parent_id, paused_at, paused_with, above) AS (
    SELECT child.id, child.parent_id, child.paused_at, child.paused_with, child.parent_id
    FROM cloaca_run AS top CROSS JOIN cloaca_run AS child
    WHERE top.id IN :ids AND child.root_id = coalesce(top.root_id, top.id)
        AND child.root_id IS NOT NULL AND child.ended_at IS NULL AND child.cancel_at IS NULL
    UNION
    SELECT
        lineage.id, lineage.parent_id, lineage.paused_at, lineage.paused_with, ended.parent_id
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above AND +ended.ended_at IS NOT NULL AND ended.detached = 0
        AND NOT ended.id IN :ids
)
SELECT parent.id, lineage.id
FROM lineage CROSS JOIN cloaca_run AS parent
WHERE lineage.above IN :ids AND lineage.parent_id <> lineage.above AND parent.id = lineage.above
    AND coalesce(lineage.paused_with, '') <> coalesce(parent.pause_id, '')
    AND (lineage.paused_at IS NOT NULL OR parent.pause_id IS NOT NULL)
    AND (lineage.paused_at IS NULL OR lineage.paused_with IS NOT NULL)
ORDER BY parent.id, lineage.id LIMIT :limit;


-- name: note_pause_of_children
-- Note that those of these runs are paused with their parent :parent_id, which is, that are not paused
-- on their own, and to which its pause has not come yet.
WITH RECURSIVE lineage (id, above) AS (
    SELECT child.id, child.parent_id FROM cloaca_run AS child
    WHERE child.id IN :ids AND +child.ended_at IS NULL AND child.detached = 0
        AND child.cancel_at IS NULL
    UNION ALL
    SELECT lineage.id, ended.parent_id
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above AND ended.id <> :parent_id AND +ended.ended_at IS NOT NULL
        AND ended.detached = 0
)
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :id, child.id, child.workflow, child.round, 'pause', :asked_by, CAST(:reason AS TEXT), 2, :now
FROM lineage CROSS JOIN cloaca_run AS child CROSS JOIN cloaca_run AS parent
WHERE lineage.above = :parent_id AND child.id = lineage.id AND parent.id = lineage.above
    AND parent.pause_id IS NOT NULL AND coalesce(child.paused_with, '') <> parent.pause_id
    AND (child.paused_at IS NULL OR child.paused_with IS NOT NULL)
ON CONFLICT DO NOTHING;


-- name: pause_children
-- Pause the runs that note_pause_of_children has named as long as their parent is paused. One that is
-- paused with it still, as its parent was resumed and paused again, stays so.
UPDATE cloaca_run
SET status = 'Paused', paused_at = coalesce(paused_at, :now), steer_reason = :because,
    paused_until = (
        SELECT parent.paused_until FROM cloaca_run AS parent WHERE parent.id = :parent_id
    ),
    paused_with = (SELECT parent.pause_id FROM cloaca_run AS parent WHERE parent.id = :parent_id),
    pause_id = CAST(:id AS TEXT),
    pause_follows = CASE
        WHEN EXISTS (
            SELECT 1 FROM cloaca_run AS child
            WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
                AND child.detached = 0
        ) THEN 2
        WHEN owner IS NOT NULL THEN 1
        ELSE pause_follows
    END
WHERE id IN :ids
    AND (
        SELECT act.changed FROM cloaca_act AS act
        WHERE act.run_id = cloaca_run.id AND act.id = :id
    ) = 2;


-- name: note_resume_of_children
-- Note that those of these runs go on with their parent :parent_id that were paused with it.
WITH RECURSIVE lineage (id, above) AS (
    SELECT child.id, child.parent_id FROM cloaca_run AS child
    WHERE child.id IN :ids AND +child.ended_at IS NULL AND child.detached = 0
        AND child.cancel_at IS NULL
    UNION ALL
    SELECT lineage.id, ended.parent_id
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above AND ended.id <> :parent_id AND +ended.ended_at IS NOT NULL
        AND ended.detached = 0
)
INSERT INTO cloaca_act (
    id, run_id, workflow, round, kind, asked_by, reason, changed, created_at
)
SELECT :id, child.id, child.workflow, child.round, 'resume', :asked_by, CAST(:reason AS TEXT), 2, :now
FROM lineage CROSS JOIN cloaca_run AS child CROSS JOIN cloaca_run AS parent
WHERE lineage.above = :parent_id AND child.id = lineage.id AND parent.id = lineage.above
    AND parent.pause_id IS NULL AND child.paused_at IS NOT NULL AND child.paused_with IS NOT NULL
ON CONFLICT DO NOTHING;


-- name: forget_children
-- The children of these runs are being cancelled, and those of ended children, unless there are more of
-- them, or may be: a run that has not ended may submit some.
WITH RECURSIVE lineage (id, parent_id, above) AS (
    SELECT child.id, child.parent_id, child.parent_id
    FROM cloaca_run AS top CROSS JOIN cloaca_run AS child
    WHERE top.id IN :ids AND child.root_id = coalesce(top.root_id, top.id)
        AND child.root_id IS NOT NULL AND child.ended_at IS NULL AND child.cancel_at IS NULL
    UNION
    SELECT lineage.id, lineage.parent_id, ended.parent_id
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above AND +ended.ended_at IS NOT NULL AND ended.detached = 0
        AND NOT ended.id IN :ids
)
UPDATE cloaca_run
SET children_at = CASE WHEN ended_at IS NULL THEN children_at END,
    cancels_children = 1
WHERE id IN :ids AND children_at IS NOT NULL AND (ended_at IS NOT NULL OR cancels_children = 2)
    AND CASE
        WHEN status = 'Failed' THEN NOT EXISTS (
            SELECT 1 FROM cloaca_run AS child
            WHERE child.parent_id = cloaca_run.id AND child.parent_id IS NOT NULL
                AND child.ended_at IS NULL AND child.detached = 0 AND child.cancel_at IS NULL
                AND child.child_kind IS NOT NULL
        )
        ELSE NOT id IN (SELECT lineage.above FROM lineage WHERE lineage.above IS NOT NULL)
    END;


-- name: forget_pauses
-- The children of these runs are paused or go on as they do, and those of ended children, unless there
-- are more of them, or may be: a paused run that has an owner may submit some.
WITH RECURSIVE lineage (id, parent_id, paused_at, paused_with, above) AS (
    SELECT child.id, child.parent_id, child.paused_at, child.paused_with, child.parent_id
    FROM cloaca_run AS top CROSS JOIN cloaca_run AS child
    WHERE top.id IN :ids AND child.root_id = coalesce(top.root_id, top.id)
        AND child.root_id IS NOT NULL AND child.ended_at IS NULL AND child.cancel_at IS NULL
    UNION
    SELECT
        lineage.id, lineage.parent_id, lineage.paused_at, lineage.paused_with, ended.parent_id
    FROM lineage CROSS JOIN cloaca_run AS ended
    WHERE ended.id = lineage.above AND +ended.ended_at IS NOT NULL AND ended.detached = 0
        AND NOT ended.id IN :ids
)
UPDATE cloaca_run
SET pause_follows = CASE
        WHEN owner IS NOT NULL AND ended_at IS NULL AND pause_id IS NOT NULL THEN 1
    END
WHERE id IN :ids AND pause_follows IS NOT NULL
    AND (pause_follows = 2 OR owner IS NULL OR ended_at IS NOT NULL OR pause_id IS NULL)
    AND NOT id IN (
        SELECT parent.id
        FROM lineage CROSS JOIN cloaca_run AS parent
        WHERE lineage.above IN :ids AND parent.id = lineage.above
            AND coalesce(lineage.paused_with, '') <> coalesce(parent.pause_id, '')
            AND (lineage.paused_at IS NOT NULL OR parent.pause_id IS NOT NULL)
            AND (lineage.paused_at IS NULL OR lineage.paused_with IS NOT NULL)
    );
