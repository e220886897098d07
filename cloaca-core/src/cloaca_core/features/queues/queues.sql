-- Queues of runs, and as people look at them. Read the head of store/sql/runs.sql first.


-- name: put_in_queue
-- Write the queue of runs that the runner still owns, and when their time limits pass.
UPDATE cloaca_run AS run SET queue = :new.queue, overdue_at = :new.overdue_at
FROM :rows AS new
WHERE run.id IN [:new.run_id] AND run.owner = :new.runner_id AND run.epoch = :new.fence
    AND +run.ended_at IS NULL
    AND EXISTS (
        SELECT 1 FROM cloaca_runner AS runner
        WHERE runner.id = :new.runner_id AND runner.fenced = 0
    );


-- name: first_overdue
-- The runs of these workflows whose time limits pass first, of those that wait for a runner in other
-- queues than these. Each queue of a workflow costs one look into the index.
SELECT run.overdue_at, run.id
FROM (
    SELECT wanted.value AS workflow, 'default' AS queue FROM :workflows AS wanted
    WHERE NOT 'default' IN :queues
    UNION ALL
    SELECT noted.workflow, noted.name
    FROM :workflows AS wanted CROSS JOIN cloaca_queue AS noted
    WHERE noted.workflow = wanted.value AND NOT noted.name IN :queues
) AS line
CROSS JOIN cloaca_run AS run
WHERE run.workflow NOT IN (SELECT workflow FROM cloaca_paused_workflow)
    AND run.id IN [
        SELECT first.id FROM cloaca_run AS first
        WHERE first.workflow = line.workflow AND first.queue = line.queue
            AND first.overdue_at IS NOT NULL AND first.owner IS NULL AND first.ended_at IS NULL
            AND first.behind IS NULL AND first.paused_at IS NULL AND first.due_at IS NULL
        ORDER BY first.overdue_at LIMIT :limit
    ]
ORDER BY run.overdue_at, run.id LIMIT :limit;


-- name: bring_overdue
-- Put runs whose time limits have passed into a queue, as far as they still wait for a runner.
UPDATE cloaca_run SET queue = :queue, overdue_at = NULL, claimable_at = :now
WHERE id IN :ids AND overdue_at <= :now AND owner IS NULL AND ended_at IS NULL AND behind IS NULL
    AND paused_at IS NULL AND due_at IS NULL
    AND workflow NOT IN (SELECT workflow FROM cloaca_paused_workflow);


-- name: queue_loads
-- Count the claimable runs of each workflow and queue, up to :most, with since when the first of those
-- waits; then the runs that runners own, by queue. The recursive queries go from one workflow to the
-- next in the index of claims, and in each from one queue to the next.
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
)
SELECT lines.workflow, lines.queue, (
        SELECT count(*) FROM (
            SELECT 1 FROM cloaca_run AS run
            WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
                AND run.paused_at IS NULL AND run.due_at IS NULL
                AND run.workflow = lines.workflow AND run.queue = lines.queue
            LIMIT :most
        ) AS counted
    ) AS waiting, 0 AS running, (
        SELECT min(first.claimable_at) FROM (
            SELECT run.claimable_at FROM cloaca_run AS run
            WHERE run.owner IS NULL AND run.ended_at IS NULL AND run.behind IS NULL
                AND run.paused_at IS NULL AND run.due_at IS NULL
                AND run.workflow = lines.workflow AND run.queue = lines.queue
            LIMIT :most
        ) AS first
    ) AS oldest
FROM lines WHERE lines.queue IS NOT NULL
UNION ALL
SELECT NULL, run.queue, 0, count(*), NULL FROM cloaca_run AS run
WHERE run.owner IS NOT NULL AND run.ended_at IS NULL
GROUP BY run.queue;
