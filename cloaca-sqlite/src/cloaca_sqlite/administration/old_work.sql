-- Reads the tables of cloaca 0.2 and 0.12: ids are blobs, and instants RFC 3339 texts.


-- name: list_tables
-- List all tables.
SELECT name FROM sqlite_master WHERE type = 'table';


-- name: runs_02
-- Read runs of 0.2 after an id.
SELECT
    lower(hex(run.id)), run.pipeline_name, run.pipeline_version, run.status, given.value,
    run.error_details, run.created_at, run.started_at, run.completed_at,
    NULL, NULL
FROM pipeline_executions AS run
LEFT JOIN contexts AS given ON given.id = run.context_id
WHERE run.id > :after
ORDER BY run.id
LIMIT :limit;


-- name: tasks_02
-- Read the tasks of runs between two ids.
SELECT
    lower(hex(task.pipeline_execution_id)), task.task_name, task.status, coalesce(task.attempt, 1),
    task.started_at, task.completed_at, task.retry_at,
    coalesce(task.last_error, task.error_details), made.value
FROM task_executions AS task
LEFT JOIN task_execution_metadata AS kept ON kept.task_execution_id = task.id
LEFT JOIN contexts AS made ON made.id = kept.context_id
WHERE task.pipeline_execution_id BETWEEN :first AND :last
ORDER BY task.created_at, task.task_name;


-- name: schedules_02
-- Read the cron schedules.
SELECT
    lower(hex(id)), workflow_name, cron_expression, coalesce(timezone, 'UTC'), enabled,
    coalesce(catchup_policy, 'skip'), start_date, end_date, last_run_at, created_at,
    NULL, NULL
FROM cron_schedules
ORDER BY id;


-- name: runs_012
-- Read runs of 0.12 after an id.
SELECT
    lower(hex(run.id)), run.workflow_name, run.workflow_version, run.status, given.value,
    run.error_details, run.created_at, run.started_at, run.completed_at,
    run.paused_at, run.pause_reason
FROM workflow_executions AS run
LEFT JOIN contexts AS given ON given.id = run.context_id
WHERE run.id > :after
ORDER BY run.id
LIMIT :limit;


-- name: tasks_012
-- Read the tasks of runs between two ids.
SELECT
    lower(hex(task.workflow_execution_id)), task.task_name, task.status, coalesce(task.attempt, 1),
    task.started_at, task.completed_at, task.retry_at,
    coalesce(task.last_error, task.error_details), made.value
FROM task_executions AS task
LEFT JOIN task_execution_metadata AS kept ON kept.task_execution_id = task.id
LEFT JOIN contexts AS made ON made.id = kept.context_id
WHERE task.workflow_execution_id BETWEEN :first AND :last
ORDER BY task.created_at, task.task_name;


-- name: schedules_012
-- Read the cron schedules.
SELECT
    lower(hex(id)), workflow_name, cron_expression, coalesce(timezone, 'UTC'), enabled,
    coalesce(catchup_policy, 'skip'), start_date, end_date, last_run_at, created_at,
    params, instance_name
FROM schedules
WHERE schedule_type = 'cron'
ORDER BY id;
