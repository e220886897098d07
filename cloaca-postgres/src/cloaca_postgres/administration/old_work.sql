-- Reads the tables of cloaca 0.2 and 0.12, whose ids are UUIDs and whose instants are in UTC.


-- name: old_tables
-- List all tables of the schema.
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE) AND relkind = 'r';


-- name: runs_02
-- Read runs of 0.2 after an id.
SELECT
    replace(CAST(run.id AS TEXT), '-', ''), CAST(run.pipeline_name AS TEXT),
    CAST(run.pipeline_version AS TEXT), CAST(run.status AS TEXT), CAST(given.value AS TEXT),
    run.error_details, CAST(extract(epoch FROM run.created_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM run.started_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM run.completed_at) * 1000000 AS BIGINT),
    CAST(NULL AS BIGINT), CAST(NULL AS TEXT)
FROM pipeline_executions AS run
LEFT JOIN contexts AS given ON given.id = run.context_id
WHERE run.id > CAST(:after AS UUID)
ORDER BY run.id
LIMIT :limit;


-- name: tasks_02
-- Read the tasks of runs between two ids.
SELECT
    replace(CAST(task.pipeline_execution_id AS TEXT), '-', ''), CAST(task.task_name AS TEXT),
    CAST(task.status AS TEXT), coalesce(task.attempt, 1),
    CAST(extract(epoch FROM task.started_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM task.completed_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM task.retry_at) * 1000000 AS BIGINT),
    coalesce(task.last_error, task.error_details), CAST(made.value AS TEXT)
FROM task_executions AS task
LEFT JOIN task_execution_metadata AS kept ON kept.task_execution_id = task.id
LEFT JOIN contexts AS made ON made.id = kept.context_id
WHERE task.pipeline_execution_id BETWEEN CAST(:first AS UUID) AND CAST(:last AS UUID)
ORDER BY task.created_at, task.task_name;


-- name: schedules_02
-- Read the cron schedules.
SELECT
    replace(CAST(id AS TEXT), '-', ''), CAST(workflow_name AS TEXT), CAST(cron_expression AS TEXT),
    coalesce(CAST(timezone AS TEXT), 'UTC'), CAST(enabled AS TEXT) IN ('true', '1'),
    coalesce(CAST(catchup_policy AS TEXT), 'skip'),
    CAST(extract(epoch FROM start_date) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM end_date) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM last_run_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM created_at) * 1000000 AS BIGINT),
    CAST(NULL AS TEXT), CAST(NULL AS TEXT)
FROM cron_schedules
ORDER BY id;


-- name: runs_012
-- Read runs of 0.12 after an id.
SELECT
    replace(CAST(run.id AS TEXT), '-', ''), CAST(run.workflow_name AS TEXT),
    CAST(run.workflow_version AS TEXT), CAST(run.status AS TEXT), CAST(given.value AS TEXT),
    run.error_details, CAST(extract(epoch FROM run.created_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM run.started_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM run.completed_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM run.paused_at) * 1000000 AS BIGINT), run.pause_reason
FROM workflow_executions AS run
LEFT JOIN contexts AS given ON given.id = run.context_id
WHERE run.id > CAST(:after AS UUID)
ORDER BY run.id
LIMIT :limit;


-- name: tasks_012
-- Read the tasks of runs between two ids.
SELECT
    replace(CAST(task.workflow_execution_id AS TEXT), '-', ''), CAST(task.task_name AS TEXT),
    CAST(task.status AS TEXT), coalesce(task.attempt, 1),
    CAST(extract(epoch FROM task.started_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM task.completed_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM task.retry_at) * 1000000 AS BIGINT),
    coalesce(task.last_error, task.error_details), CAST(made.value AS TEXT)
FROM task_executions AS task
LEFT JOIN task_execution_metadata AS kept ON kept.task_execution_id = task.id
LEFT JOIN contexts AS made ON made.id = kept.context_id
WHERE task.workflow_execution_id BETWEEN CAST(:first AS UUID) AND CAST(:last AS UUID)
ORDER BY task.created_at, task.task_name;


-- name: schedules_012
-- Read the cron schedules.
SELECT
    replace(CAST(id AS TEXT), '-', ''), CAST(workflow_name AS TEXT), CAST(cron_expression AS TEXT),
    coalesce(CAST(timezone AS TEXT), 'UTC'), CAST(enabled AS TEXT) IN ('true', '1'),
    coalesce(CAST(catchup_policy AS TEXT), 'skip'),
    CAST(extract(epoch FROM start_date) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM end_date) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM last_run_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM created_at) * 1000000 AS BIGINT),
    params, instance_name
FROM schedules
WHERE schedule_type = 'cron'
ORDER BY id;
