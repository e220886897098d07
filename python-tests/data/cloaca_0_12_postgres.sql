-- What cloaca 0.12.0 has written, without the tables that no import reads.

CREATE TABLE contexts (
    id uuid,
    value character varying,
    created_at timestamp without time zone,
    updated_at timestamp without time zone
);
INSERT INTO contexts VALUES ('e9e68969-5e97-456c-8547-e8515a95041b', '{"kind":"ends","n":1}', '2026-11-27 01:40:23.474363', '2026-11-27 01:40:23.474363');
INSERT INTO contexts VALUES ('1ca18595-2be4-456f-919b-8164666da4d2', '{"prepared":true,"n":1,"kind":"ends"}', '2026-11-27 01:40:23.681446', '2026-11-27 01:40:23.681446');
INSERT INTO contexts VALUES ('6dc1dae5-0f12-405d-ab1c-127d8e40bc9b', '{"kind":"ends","prepared":true,"paid":5,"n":1}', '2026-11-27 01:40:23.795776', '2026-11-27 01:40:23.795776');
INSERT INTO contexts VALUES ('846498d1-ffc7-4072-9348-4af115e7a6da', '{"kind":"fails","n":2}', '2026-11-27 01:40:24.012094', '2026-11-27 01:40:24.012094');
INSERT INTO contexts VALUES ('8c60f7b8-7f32-45c9-b270-4141a668a05e', '{"kind":"fails","n":2,"prepared":true}', '2026-11-27 01:40:24.049136', '2026-11-27 01:40:24.049136');
INSERT INTO contexts VALUES ('d359c960-7d2f-464d-81a8-6ffb2e86b6dc', '{"n":3,"kind":"dies"}', '2026-11-27 01:40:25.204866', '2026-11-27 01:40:25.204866');
INSERT INTO contexts VALUES ('bf6a9619-cbe1-47cf-86b3-fd015b2efa36', '{"kind":"dies","prepared":true,"n":3}', '2026-11-27 01:40:26.090265', '2026-11-27 01:40:26.090265');

CREATE TABLE schedules (
    id uuid,
    schedule_type character varying,
    workflow_name character varying,
    enabled boolean,
    cron_expression character varying,
    timezone character varying,
    catchup_policy character varying,
    start_date timestamp without time zone,
    end_date timestamp without time zone,
    trigger_name character varying,
    poll_interval_ms integer,
    allow_concurrent boolean,
    next_run_at timestamp without time zone,
    last_run_at timestamp without time zone,
    last_poll_at timestamp without time zone,
    created_at timestamp without time zone,
    updated_at timestamp without time zone,
    paused boolean,
    paused_at timestamp without time zone,
    params text,
    instance_name text
);
INSERT INTO schedules VALUES ('e6d700c3-8248-4373-a461-902a1233db1f', 'cron', 'order', true, '0 3 * * *', 'Europe/Oslo', 'skip', NULL, NULL, NULL, NULL, false, '2026-11-27 02:00:00', NULL, NULL, '2026-11-27 01:40:25.034112', '2026-11-27 01:40:25.034112', false, NULL, NULL, NULL);
INSERT INTO schedules VALUES ('62afd4d3-c3a7-46c5-857d-9ac6f4906dff', 'cron', 'order', false, '*/5 * * * *', 'UTC', 'skip', NULL, NULL, NULL, NULL, false, '2026-11-27 01:45:00', NULL, NULL, '2026-11-27 01:40:25.049293', '2026-11-27 01:40:25.186326', false, NULL, NULL, NULL);

CREATE TABLE task_execution_metadata (
    id uuid,
    task_execution_id uuid,
    workflow_execution_id uuid,
    task_name character varying,
    context_id uuid,
    created_at timestamp without time zone,
    updated_at timestamp without time zone
);
INSERT INTO task_execution_metadata VALUES ('1ed3698d-9818-42cb-bcc4-b9d0d51839d3', 'abdd443f-7be2-45fa-9eaf-c2bafce40954', 'bc998262-cf81-4e41-8176-b48e2ec5be35', 'public::embedded::order::prepare', '1ca18595-2be4-456f-919b-8164666da4d2', '2026-11-27 01:40:23.692856', '2026-11-27 01:40:23.692856');
INSERT INTO task_execution_metadata VALUES ('c67a0d88-74e0-4b9f-80ca-be8ea2086cae', '1529ccb1-d515-4cf4-b7b1-19696b96d6ca', 'bc998262-cf81-4e41-8176-b48e2ec5be35', 'public::embedded::order::charge', '6dc1dae5-0f12-405d-ab1c-127d8e40bc9b', '2026-11-27 01:40:23.797188', '2026-11-27 01:40:23.797188');
INSERT INTO task_execution_metadata VALUES ('d51dc6a5-89fe-45d8-8d26-2cd5621299e6', 'd98cf590-a821-4e88-a073-90073322cbb8', '16afb3ef-7072-4c5e-8080-910cc20f371c', 'public::embedded::order::prepare', '8c60f7b8-7f32-45c9-b270-4141a668a05e', '2026-11-27 01:40:24.055801', '2026-11-27 01:40:24.055801');
INSERT INTO task_execution_metadata VALUES ('8564e410-f96b-4500-acc2-8eaf0b4b06db', '6226b9f6-8021-4983-93dc-e5cabb84d5b4', '2724dcd0-810e-48ea-bd5e-f8a2306444d2', 'public::embedded::order::prepare', 'bf6a9619-cbe1-47cf-86b3-fd015b2efa36', '2026-11-27 01:40:26.091237', '2026-11-27 01:40:26.091237');

CREATE TABLE task_executions (
    id uuid,
    workflow_execution_id uuid,
    task_name character varying,
    status character varying,
    started_at timestamp without time zone,
    completed_at timestamp without time zone,
    attempt integer,
    max_attempts integer,
    error_details text,
    trigger_rules text,
    task_configuration text,
    retry_at timestamp without time zone,
    last_error text,
    recovery_attempts integer,
    last_recovery_at timestamp without time zone,
    created_at timestamp without time zone,
    updated_at timestamp without time zone,
    sub_status character varying,
    claimed_by uuid,
    heartbeat_at timestamp with time zone
);
INSERT INTO task_executions VALUES ('abdd443f-7be2-45fa-9eaf-c2bafce40954', 'bc998262-cf81-4e41-8176-b48e2ec5be35', 'public::embedded::order::prepare', 'Completed', '2026-11-27 01:40:23.646762', '2026-11-27 01:40:23.701456', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:40:23.477009', '2026-11-27 01:40:23.715476', NULL, NULL, NULL);
INSERT INTO task_executions VALUES ('1529ccb1-d515-4cf4-b7b1-19696b96d6ca', 'bc998262-cf81-4e41-8176-b48e2ec5be35', 'public::embedded::order::charge', 'Completed', '2026-11-27 01:40:23.784455', '2026-11-27 01:40:23.798766', 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:40:23.477009', '2026-11-27 01:40:23.800487', NULL, NULL, NULL);
INSERT INTO task_executions VALUES ('d98cf590-a821-4e88-a073-90073322cbb8', '16afb3ef-7072-4c5e-8080-910cc20f371c', 'public::embedded::order::prepare', 'Completed', '2026-11-27 01:40:24.045492', '2026-11-27 01:40:24.061641', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:40:24.014046', '2026-11-27 01:40:24.065555', NULL, NULL, NULL);
INSERT INTO task_executions VALUES ('45a6108e-8894-465f-9999-3b94789c92cd', '16afb3ef-7072-4c5e-8080-910cc20f371c', 'public::embedded::order::charge', 'Failed', '2026-11-27 01:40:24.545891', '2026-11-27 01:40:24.549589', 2, 2, NULL, '{"type":"Always"}', '{}', '2026-11-27 01:40:24.440901', 'Task execution error: Task execution failed: Python task execution failed: ValueError: no money', 0, NULL, '2026-11-27 01:40:24.014046', '2026-11-27 01:40:24.556657', NULL, NULL, NULL);
INSERT INTO task_executions VALUES ('6226b9f6-8021-4983-93dc-e5cabb84d5b4', '2724dcd0-810e-48ea-bd5e-f8a2306444d2', 'public::embedded::order::prepare', 'Completed', '2026-11-27 01:40:26.088140', '2026-11-27 01:40:26.092994', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:40:25.206573', '2026-11-27 01:40:26.094645', NULL, NULL, NULL);
INSERT INTO task_executions VALUES ('2eb33534-f219-4106-953a-a00eef3abd4e', '2724dcd0-810e-48ea-bd5e-f8a2306444d2', 'public::embedded::order::charge', 'Running', '2026-11-27 01:40:26.139751', NULL, 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:40:25.206573', '2026-11-27 01:40:26.140463', NULL, '743b5279-3441-4bbe-b3b0-d7362450b394', '2026-11-27 01:40:26.140463+00:00');

CREATE TABLE workflow_executions (
    id uuid,
    workflow_name character varying,
    workflow_version character varying,
    status character varying,
    context_id uuid,
    started_at timestamp without time zone,
    completed_at timestamp without time zone,
    error_details text,
    recovery_attempts integer,
    last_recovery_at timestamp without time zone,
    created_at timestamp without time zone,
    updated_at timestamp without time zone,
    paused_at timestamp without time zone,
    pause_reason text,
    trigger_origin text
);
INSERT INTO workflow_executions VALUES ('bc998262-cf81-4e41-8176-b48e2ec5be35', 'order', 'c28d6da131ad3234', 'Completed', '6dc1dae5-0f12-405d-ab1c-127d8e40bc9b', '2026-11-27 01:40:23.477009', '2026-11-27 01:40:23.841240', NULL, 0, NULL, '2026-11-27 01:40:23.477009', '2026-11-27 01:40:23.841240', NULL, NULL, NULL);
INSERT INTO workflow_executions VALUES ('16afb3ef-7072-4c5e-8080-910cc20f371c', 'order', 'c28d6da131ad3234', 'Failed', '8c60f7b8-7f32-45c9-b270-4141a668a05e', '2026-11-27 01:40:24.014046', '2026-11-27 01:40:24.822278', '1 task(s) failed, 1 completed, 0 skipped', 0, NULL, '2026-11-27 01:40:24.014046', '2026-11-27 01:40:24.822278', NULL, NULL, NULL);
INSERT INTO workflow_executions VALUES ('2724dcd0-810e-48ea-bd5e-f8a2306444d2', 'order', 'c28d6da131ad3234', 'Running', 'd359c960-7d2f-464d-81a8-6ffb2e86b6dc', '2026-11-27 01:40:25.206573', NULL, NULL, 0, NULL, '2026-11-27 01:40:25.206573', '2026-11-27 01:40:26.138837', NULL, NULL, NULL);
