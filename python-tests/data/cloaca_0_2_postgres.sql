-- What cloaca 0.2.0 has written, without the tables that no import reads.

CREATE TABLE contexts (
    id uuid,
    value character varying,
    created_at timestamp without time zone,
    updated_at timestamp without time zone
);
INSERT INTO contexts VALUES ('82024798-469f-4b55-8afb-6df16d1ef9ff', '{"n":1,"kind":"ends"}', '2026-11-27 01:44:44.409488', '2026-11-27 01:44:44.409488');
INSERT INTO contexts VALUES ('4842b359-8e36-4600-ace8-12352feb5da8', '{"prepared":true,"kind":"ends","n":1}', '2026-11-27 01:44:44.594184', '2026-11-27 01:44:44.594184');
INSERT INTO contexts VALUES ('604b2e84-2e1d-4599-934f-a6862607b56e', '{"prepared":true,"paid":5,"kind":"ends","n":1}', '2026-11-27 01:44:44.793706', '2026-11-27 01:44:44.793706');
INSERT INTO contexts VALUES ('af9e30c9-1f3c-4fd5-beb2-d7000d41ae71', '{"kind":"fails","n":2}', '2026-11-27 01:44:44.925128', '2026-11-27 01:44:44.925128');
INSERT INTO contexts VALUES ('8768bbf9-3ba7-4446-9dea-e4b30beb156f', '{"kind":"fails","prepared":true,"n":2}', '2026-11-27 01:44:45.099129', '2026-11-27 01:44:45.099129');
INSERT INTO contexts VALUES ('ce7e433c-7803-46f1-ba34-3954d693cd86', '{"n":3,"kind":"dies"}', '2026-11-27 01:44:45.953383', '2026-11-27 01:44:45.953383');
INSERT INTO contexts VALUES ('a851cb5c-4d65-4c7e-b00f-4c5c6e2d6646', '{"kind":"dies","n":3,"prepared":true}', '2026-11-27 01:44:46.098623', '2026-11-27 01:44:46.098623');

CREATE TABLE cron_schedules (
    id uuid,
    workflow_name character varying,
    cron_expression character varying,
    timezone character varying,
    enabled boolean,
    catchup_policy character varying,
    start_date timestamp without time zone,
    end_date timestamp without time zone,
    next_run_at timestamp without time zone,
    last_run_at timestamp without time zone,
    created_at timestamp without time zone,
    updated_at timestamp without time zone
);
INSERT INTO cron_schedules VALUES ('932479b3-b14c-4a40-8a9d-073e02755093', 'order', '0 3 * * *', 'Europe/Oslo', true, 'skip', NULL, NULL, '2026-11-27 02:00:00', NULL, '2026-11-27 01:44:45.942740', '2026-11-27 01:44:45.942740');
INSERT INTO cron_schedules VALUES ('92158c4b-3024-4e69-97d9-4ca376262eb3', 'order', '*/5 * * * *', 'UTC', false, 'skip', NULL, NULL, '2026-11-27 01:45:00', NULL, '2026-11-27 01:44:45.944481', '2026-11-27 01:44:45.946684');

CREATE TABLE pipeline_executions (
    id uuid,
    pipeline_name character varying,
    pipeline_version character varying,
    status character varying,
    context_id uuid,
    started_at timestamp without time zone,
    completed_at timestamp without time zone,
    error_details text,
    recovery_attempts integer,
    last_recovery_at timestamp without time zone,
    created_at timestamp without time zone,
    updated_at timestamp without time zone
);
INSERT INTO pipeline_executions VALUES ('3dfd4804-f994-4b7f-a16b-b46f30614eda', 'order', '72a9fe85f165e397', 'Completed', '604b2e84-2e1d-4599-934f-a6862607b56e', '2026-11-27 01:44:44.412470', '2026-11-27 01:44:44.898298', NULL, 0, NULL, '2026-11-27 01:44:44.412470', '2026-11-27 01:44:44.412470');
INSERT INTO pipeline_executions VALUES ('91b934cc-7595-4cee-b9e7-f66d9a578f64', 'order', '72a9fe85f165e397', 'Completed', '8768bbf9-3ba7-4446-9dea-e4b30beb156f', '2026-11-27 01:44:44.928515', '2026-11-27 01:44:45.495632', NULL, 0, NULL, '2026-11-27 01:44:44.928515', '2026-11-27 01:44:44.928515');
INSERT INTO pipeline_executions VALUES ('0b5b380b-b1e5-4997-ac4f-8aea213466e5', 'order', '72a9fe85f165e397', 'Pending', 'ce7e433c-7803-46f1-ba34-3954d693cd86', '2026-11-27 01:44:45.954213', NULL, NULL, 0, NULL, '2026-11-27 01:44:45.954213', '2026-11-27 01:44:45.954213');

CREATE TABLE task_execution_metadata (
    id uuid,
    task_execution_id uuid,
    pipeline_execution_id uuid,
    task_name character varying,
    context_id uuid,
    created_at timestamp without time zone,
    updated_at timestamp without time zone
);
INSERT INTO task_execution_metadata VALUES ('12f1fdbd-f955-4f7b-8b72-cabd083cede6', 'd9e39ebd-9165-4604-ae67-1724f0cbdcd5', '3dfd4804-f994-4b7f-a16b-b46f30614eda', 'public::embedded::order::prepare', '4842b359-8e36-4600-ace8-12352feb5da8', '2026-11-27 01:44:44.595127', '2026-11-27 01:44:44.595127');
INSERT INTO task_execution_metadata VALUES ('5ff3f61a-f6b5-462e-a1be-3cfc0838ff91', '21b9d61d-8d5b-41d1-a9b2-7c425fa36e9a', '3dfd4804-f994-4b7f-a16b-b46f30614eda', 'public::embedded::order::charge', '604b2e84-2e1d-4599-934f-a6862607b56e', '2026-11-27 01:44:44.795532', '2026-11-27 01:44:44.795532');
INSERT INTO task_execution_metadata VALUES ('1d5b1ba9-7f47-462f-a882-6acbf84c737a', '5c622293-ec8c-4344-86be-4b15a78bd86d', '91b934cc-7595-4cee-b9e7-f66d9a578f64', 'public::embedded::order::prepare', '8768bbf9-3ba7-4446-9dea-e4b30beb156f', '2026-11-27 01:44:45.099924', '2026-11-27 01:44:45.099924');
INSERT INTO task_execution_metadata VALUES ('fb3be9a4-f8ae-4cd3-9663-d7dc79c6a2a8', '0e6cd451-e282-445b-92ce-90932498d011', '0b5b380b-b1e5-4997-ac4f-8aea213466e5', 'public::embedded::order::prepare', 'a851cb5c-4d65-4c7e-b00f-4c5c6e2d6646', '2026-11-27 01:44:46.100566', '2026-11-27 01:44:46.100566');

CREATE TABLE task_executions (
    id uuid,
    pipeline_execution_id uuid,
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
    updated_at timestamp without time zone
);
INSERT INTO task_executions VALUES ('d9e39ebd-9165-4604-ae67-1724f0cbdcd5', '3dfd4804-f994-4b7f-a16b-b46f30614eda', 'public::embedded::order::prepare', 'Completed', '2026-11-27 01:44:44.589990', '2026-11-27 01:44:44.597499', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:44:44.414814', '2026-11-27 01:44:44.597499');
INSERT INTO task_executions VALUES ('21b9d61d-8d5b-41d1-a9b2-7c425fa36e9a', '3dfd4804-f994-4b7f-a16b-b46f30614eda', 'public::embedded::order::charge', 'Completed', '2026-11-27 01:44:44.789921', '2026-11-27 01:44:44.798990', 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:44:44.416619', '2026-11-27 01:44:44.798990');
INSERT INTO task_executions VALUES ('5c622293-ec8c-4344-86be-4b15a78bd86d', '91b934cc-7595-4cee-b9e7-f66d9a578f64', 'public::embedded::order::prepare', 'Completed', '2026-11-27 01:44:45.089410', '2026-11-27 01:44:45.104307', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:44:44.932532', '2026-11-27 01:44:45.104307');
INSERT INTO task_executions VALUES ('d401d39a-b1e8-485a-9ece-00d461985c63', '91b934cc-7595-4cee-b9e7-f66d9a578f64', 'public::embedded::order::charge', 'Failed', '2026-11-27 01:44:45.390494', '2026-11-27 01:44:45.393320', 2, 2, NULL, '{"type":"Always"}', '{}', '2026-11-27 01:44:45.294531', 'Task execution error: Task execution failed: Python task execution failed: ValueError: no money', 0, NULL, '2026-11-27 01:44:44.934124', '2026-11-27 01:44:45.393320');
INSERT INTO task_executions VALUES ('0e6cd451-e282-445b-92ce-90932498d011', '0b5b380b-b1e5-4997-ac4f-8aea213466e5', 'public::embedded::order::prepare', 'Completed', '2026-11-27 01:44:46.092805', '2026-11-27 01:44:46.104069', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:44:45.955501', '2026-11-27 01:44:46.104069');
INSERT INTO task_executions VALUES ('726037b8-f67d-4c83-b6b0-d329a91e59b1', '0b5b380b-b1e5-4997-ac4f-8aea213466e5', 'public::embedded::order::charge', 'Running', '2026-11-27 01:44:46.289308', NULL, 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27 01:44:45.956314', '2026-11-27 01:44:46.191288');
