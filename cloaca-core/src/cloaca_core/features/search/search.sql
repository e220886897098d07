-- Searches: runs by any conditions.
--
-- A search has two steps. The first lists ids in the order of an index, for one of the conditions; the
-- statements below differ in that index. The second, match_runs, looks at these runs and keeps those
-- that meet all conditions.


-- name: newest_ids
-- The newest runs.
SELECT id FROM cloaca_run
WHERE id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: active_ids
-- The newest unfinished runs of one status. The + keeps a plan from another index than that of the status,
-- here and in count_active.
SELECT id FROM cloaca_run
WHERE +ended_at IS NULL AND status = :value AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: count_active
-- Count the unfinished runs of one status, in no order.
SELECT count(*) FROM (
    SELECT 1 FROM cloaca_run WHERE +ended_at IS NULL AND status = :value LIMIT :most
) AS active;


-- name: ended_ids
-- The newest ended runs of one status.
SELECT id FROM cloaca_run
WHERE ended_at IS NOT NULL AND status = :value AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: workflow_ids
-- The newest runs of one workflow.
SELECT id FROM cloaca_run
WHERE workflow = :value AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: top_ids
-- The newest runs at the top of their trees: without a parent, or detached from it. The answer has at most
-- :most ids, as many as one search looks at. What is read is bounded by the trees: the runs that are newer than
-- the last of these and below others are passed over. No index has only the top, for each run would have to be in it.
SELECT id FROM cloaca_run
WHERE (parent_id IS NULL OR detached = 1) AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: child_ids
-- The newest runs that bodies of one run have submitted.
SELECT id FROM cloaca_run
WHERE parent_id = :value AND parent_id IS NOT NULL AND id < :before AND id >= :after
ORDER BY id DESC LIMIT :most;


-- name: list_family
-- A run and those below it, without payloads: the first that are found, level by level. A tree is hidden
-- as a whole.
WITH RECURSIVE below (id, depth) AS (
    SELECT run.id, 0 FROM cloaca_run AS run
    WHERE run.id = :run_id AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
    UNION ALL
    SELECT child.id, below.depth + 1
    FROM below CROSS JOIN cloaca_run AS child
    WHERE child.parent_id = below.id AND child.parent_id IS NOT NULL AND child.detached = 0
        AND below.depth < :depth
)
SELECT :columns(RunRow AS run, input = '', final_context = '', claimable_at = 0, trace = NULL)
FROM (SELECT id, depth FROM below LIMIT :most) AS near
CROSS JOIN cloaca_run AS run
WHERE run.id = near.id
ORDER BY near.depth, run.id;


-- name: list_children_of_family
-- The first children of each of these runs, whose ids are below that of the next one, or :above every id.
WITH RECURSIVE below (id, depth) AS (
    SELECT run.id, 0 FROM cloaca_run AS run
    WHERE run.id = :run_id AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
    UNION ALL
    SELECT child.id, below.depth + 1
    FROM below CROSS JOIN cloaca_run AS child
    WHERE child.parent_id = below.id AND child.parent_id IS NOT NULL AND child.detached = 0
        AND below.depth < :depth
)
SELECT child.parent_id, child.id, child.status, child.idempotency_key, child.workflow, child.round
FROM (
    SELECT below.id, (
        SELECT beyond.id FROM cloaca_run AS beyond
        WHERE beyond.parent_id = below.id AND beyond.parent_id IS NOT NULL AND beyond.detached = 0
        ORDER BY beyond.id LIMIT 1 OFFSET :counted
    ) AS bound
    FROM below LIMIT :most
) AS near
CROSS JOIN cloaca_run AS child
WHERE child.parent_id = near.id AND child.parent_id IS NOT NULL AND child.detached = 0
    AND child.id < coalesce(near.bound, :above)
ORDER BY child.parent_id, child.id;


-- name: list_links
-- The key of each of these runs, and how many children it has that are not detached, up to a number.
SELECT run.id, run.idempotency_key, (
    SELECT count(*) FROM (
        SELECT 1 FROM cloaca_run AS child
        WHERE child.parent_id = run.id AND child.parent_id IS NOT NULL AND child.detached = 0
        LIMIT :most
    ) AS own
)
FROM cloaca_run AS run WHERE run.id IN :ids
ORDER BY run.id;


-- name: tagged_ids
-- The newest runs that have one tag.
SELECT run_id FROM cloaca_run_tag
WHERE tag = :key AND content = :value AND run_id < :before AND run_id >= :after
ORDER BY run_id DESC LIMIT :most;


-- name: acted_ids
-- The newest runs on which one person has acted.
SELECT DISTINCT run_id FROM cloaca_act
WHERE asked_by = :value AND run_id < :before AND run_id >= :after
ORDER BY run_id DESC LIMIT :most;


-- name: list_actors
-- Who has acted by one of these names, alone or before an @: from each to the next one in the index.
WITH RECURSIVE actor (name, found) AS (
    SELECT asked.value, (
        SELECT min(act.asked_by) FROM cloaca_act AS act WHERE act.asked_by >= asked.value || '@'
    )
    FROM :names AS asked
    UNION ALL
    SELECT actor.name, (
        SELECT min(act.asked_by) FROM cloaca_act AS act WHERE act.asked_by > actor.found
    )
    FROM actor WHERE actor.found >= actor.name || '@' AND actor.found < actor.name || 'A'
)
SELECT found FROM actor WHERE found >= name || '@' AND found < name || 'A'
UNION
SELECT asked.value FROM :names AS asked
WHERE EXISTS (SELECT 1 FROM cloaca_act AS act WHERE act.asked_by = asked.value)
ORDER BY 1;


-- name: count_newest
-- Count the newest runs of one workflow by status.
SELECT status, count(*) FROM (
    SELECT run.status FROM cloaca_run AS run
    WHERE run.workflow = :value AND NOT EXISTS (
        SELECT 1 FROM cloaca_tombstone AS gone
        WHERE gone.root_id = coalesce(run.root_id, run.id)
    )
    ORDER BY run.id DESC LIMIT :most
) AS newest
GROUP BY status ORDER BY status;


-- name: count_made
-- Count the runs of one workflow with ids in each of these spans, up to a number. A span is two ids of 13
-- signs, from and below which. It reads an index alone, so runs that are about to be erased count.
SELECT (
    SELECT count(*) FROM (
        SELECT 1 FROM cloaca_run AS run
        WHERE run.workflow = :value AND run.id >= substr(span.value, 1, 13)
            AND run.id < substr(span.value, 14)
        LIMIT :most
    ) AS made
)
FROM :spans AS span ORDER BY span.value;


-- name: count_owned
-- Count the unfinished runs of one runner.
SELECT count(*) FROM (
    SELECT 1 FROM cloaca_run WHERE owner = :value AND ended_at IS NULL LIMIT :most
) AS owned;


-- name: failed_ids
-- The runs that failed last, from an instant on.
SELECT run.id FROM cloaca_run AS run
WHERE run.status = 'Failed' AND run.ended_at >= :since AND NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(run.root_id, run.id)
)
ORDER BY run.ended_at DESC, run.id DESC LIMIT :most;


-- name: list_failures
-- The runs that failed last, from an instant on, with their workflows.
SELECT run.id, run.workflow, run.ended_at FROM cloaca_run AS run
WHERE run.status = 'Failed' AND run.ended_at >= :since AND NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    WHERE gone.root_id = coalesce(run.root_id, run.id)
)
ORDER BY run.ended_at DESC, run.id DESC LIMIT :most;


-- name: longest_claimable
-- The run that has been claimable for longest: the first one of each workflow, queue and
-- priority is looked at.
WITH RECURSIVE waiting (workflow) AS (
    SELECT min(run.workflow) FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
        AND run.paused_at IS NULL AND run.due_at IS NULL
    UNION ALL
    SELECT (
        SELECT min(run.workflow) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow > waiting.workflow
    )
    FROM waiting WHERE waiting.workflow IS NOT NULL
),
lines (workflow, queue) AS (
    SELECT waiting.workflow, (
        SELECT min(run.queue) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = waiting.workflow
    )
    FROM waiting
    WHERE waiting.workflow IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM cloaca_paused_workflow AS paused WHERE paused.workflow = waiting.workflow
    )
    UNION ALL
    SELECT lines.workflow, (
        SELECT min(run.queue) FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = lines.workflow AND run.queue > lines.queue
    )
    FROM lines WHERE lines.queue IS NOT NULL
),
levels (workflow, queue, priority) AS (
    SELECT lines.workflow, lines.queue, (
        SELECT run.priority FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = lines.workflow AND run.queue = lines.queue
        ORDER BY run.priority DESC LIMIT 1
    )
    FROM lines WHERE lines.queue IS NOT NULL
    UNION ALL
    SELECT levels.workflow, levels.queue, (
        SELECT run.priority FROM cloaca_run AS run
        WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
            AND run.paused_at IS NULL AND run.due_at IS NULL
            AND run.workflow = levels.workflow AND run.queue = levels.queue
            AND run.priority < levels.priority
        ORDER BY run.priority DESC LIMIT 1
    )
    FROM levels WHERE levels.priority IS NOT NULL
)
SELECT first.id, first.claimable_at FROM levels
JOIN cloaca_run AS first ON first.id IN [
    SELECT run.id FROM cloaca_run AS run
    WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
        AND run.paused_at IS NULL AND run.due_at IS NULL
        AND run.workflow = levels.workflow AND run.queue = levels.queue
        AND run.priority = levels.priority
    ORDER BY run.claimable_at, run.id LIMIT 1
]
WHERE levels.priority IS NOT NULL
ORDER BY first.claimable_at, first.id LIMIT 1;
