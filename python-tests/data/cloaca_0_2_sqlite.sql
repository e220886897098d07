-- What cloaca 0.2.0 has written, without the tables that no import reads.

CREATE TABLE contexts (
    id BLOB,
    value TEXT,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO contexts VALUES (X'7ad48e234e8c4395b8ca1b6f1c5772e7', '{"kind":"ends","n":1}', '2026-11-27T01:40:15.446575663+00:00', '2026-11-27T01:40:15.446575663+00:00');
INSERT INTO contexts VALUES (X'eca6e693e33f46849dd8005d8a7a7900', '{"prepared":true,"kind":"ends","n":1}', '2026-11-27T01:40:15.665866122+00:00', '2026-11-27T01:40:15.665866122+00:00');
INSERT INTO contexts VALUES (X'ea062b96cebe4a94a42820ef94488a5a', '{"paid":5,"n":1,"kind":"ends","prepared":true}', '2026-11-27T01:40:15.867925164+00:00', '2026-11-27T01:40:15.867925164+00:00');
INSERT INTO contexts VALUES (X'c3d8b6a0f891477eb3cfe1a64a870680', '{"kind":"fails","n":2}', '2026-11-27T01:40:16.069105537+00:00', '2026-11-27T01:40:16.069105537+00:00');
INSERT INTO contexts VALUES (X'411b1d04f25447bbbba9df5662765cdd', '{"kind":"fails","prepared":true,"n":2}', '2026-11-27T01:40:16.255569912+00:00', '2026-11-27T01:40:16.255569912+00:00');
INSERT INTO contexts VALUES (X'09e51607a3a748128c93a8150fb5476c', '{"kind":"dies","n":3}', '2026-11-27T01:40:17.215599877+00:00', '2026-11-27T01:40:17.215599877+00:00');
INSERT INTO contexts VALUES (X'35e0069501e54b2e8ba3c148acf98a0f', '{"kind":"dies","prepared":true,"n":3}', '2026-11-27T01:40:17.362497239+00:00', '2026-11-27T01:40:17.362497239+00:00');

CREATE TABLE pipeline_executions (
    id BLOB,
    pipeline_name TEXT,
    pipeline_version TEXT,
    status TEXT,
    context_id BLOB,
    started_at TEXT,
    completed_at TEXT,
    error_details TEXT,
    recovery_attempts INTEGER,
    last_recovery_at TEXT,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO pipeline_executions VALUES (X'34b49ab04adc4f538df5c2a54b466b7d', 'order', '72a9fe85f165e397', 'Completed', X'ea062b96cebe4a94a42820ef94488a5a', '2026-11-27T01:40:15.488749957+00:00', '2026-11-27T01:40:15.969133518+00:00', NULL, 0, NULL, '2026-11-27T01:40:15.488749957+00:00', '2026-11-27T01:40:15.488749957+00:00');
INSERT INTO pipeline_executions VALUES (X'440dd71551214ba5be1aee2d46aa3808', 'order', '72a9fe85f165e397', 'Completed', X'411b1d04f25447bbbba9df5662765cdd', '2026-11-27T01:40:16.088461156+00:00', '2026-11-27T01:40:16.651871709+00:00', NULL, 0, NULL, '2026-11-27T01:40:16.088461156+00:00', '2026-11-27T01:40:16.088461156+00:00');
INSERT INTO pipeline_executions VALUES (X'2fd44b9169ff491089cf68502302deae', 'order', '72a9fe85f165e397', 'Pending', X'09e51607a3a748128c93a8150fb5476c', '2026-11-27T01:40:17.232662981+00:00', NULL, NULL, 0, NULL, '2026-11-27T01:40:17.232662981+00:00', '2026-11-27T01:40:17.232662981+00:00');

CREATE TABLE task_executions (
    id BLOB,
    pipeline_execution_id BLOB,
    task_name TEXT,
    status TEXT,
    started_at TEXT,
    completed_at TEXT,
    attempt INTEGER,
    max_attempts INTEGER,
    error_details TEXT,
    trigger_rules TEXT,
    task_configuration TEXT,
    retry_at TEXT,
    last_error TEXT,
    recovery_attempts INTEGER,
    last_recovery_at TEXT,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO task_executions VALUES (X'770f7b3293da4d288d8e9d689e88b930', X'34b49ab04adc4f538df5c2a54b466b7d', 'public::embedded::order::prepare', 'Completed', '2026-11-27T01:40:15.647617177+00:00', '2026-11-27T01:40:15.691271070+00:00', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:15.500964529+00:00', '2026-11-27T01:40:15.691271541+00:00');
INSERT INTO task_executions VALUES (X'c824a6f420084a3681d4e96bc7fde1a2', X'34b49ab04adc4f538df5c2a54b466b7d', 'public::embedded::order::charge', 'Completed', '2026-11-27T01:40:15.847490894+00:00', '2026-11-27T01:40:15.911521189+00:00', 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:15.535322009+00:00', '2026-11-27T01:40:15.911521710+00:00');
INSERT INTO task_executions VALUES (X'19efb62e03444cc884b1c16007be499a', X'440dd71551214ba5be1aee2d46aa3808', 'public::embedded::order::prepare', 'Completed', '2026-11-27T01:40:16.247798359+00:00', '2026-11-27T01:40:16.291884721+00:00', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:16.104550044+00:00', '2026-11-27T01:40:16.291885032+00:00');
INSERT INTO task_executions VALUES (X'0f43f96253d0499f8e6a6125e864ba69', X'440dd71551214ba5be1aee2d46aa3808', 'public::embedded::order::charge', 'Failed', '2026-11-27T01:40:16.549000737+00:00', '2026-11-27T01:40:16.570458473+00:00', 2, 2, NULL, '{"type":"Always"}', '{}', '2026-11-27T01:40:16.464575503+00:00', 'Task execution error: Task execution failed: Python task execution failed: ValueError: no money', 0, NULL, '2026-11-27T01:40:16.136683808+00:00', '2026-11-27T01:40:16.570458654+00:00');
INSERT INTO task_executions VALUES (X'757da776792f4a3f9dc352f14ac4ae93', X'2fd44b9169ff491089cf68502302deae', 'public::embedded::order::prepare', 'Completed', '2026-11-27T01:40:17.350155141+00:00', '2026-11-27T01:40:17.401750732+00:00', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:17.260656255+00:00', '2026-11-27T01:40:17.401751313+00:00');
INSERT INTO task_executions VALUES (X'98df1d2a304948afb9666376117d2180', X'2fd44b9169ff491089cf68502302deae', 'public::embedded::order::charge', 'Running', '2026-11-27T01:40:17.547760108+00:00', NULL, 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:17.289083799+00:00', '2026-11-27T01:40:17.453070127+00:00');

CREATE TABLE task_execution_metadata (
    id BLOB,
    task_execution_id BLOB,
    pipeline_execution_id BLOB,
    task_name TEXT,
    context_id BLOB,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO task_execution_metadata VALUES (X'3d2607457df94cb0bf5f55cc3c1ae9bf', X'770f7b3293da4d288d8e9d689e88b930', X'34b49ab04adc4f538df5c2a54b466b7d', 'public::embedded::order::prepare', X'eca6e693e33f46849dd8005d8a7a7900', '2026-11-27T01:40:15.674966540+00:00', '2026-11-27T01:40:15.674966540+00:00');
INSERT INTO task_execution_metadata VALUES (X'be99c6daf7034310aceeb13727c6fef7', X'c824a6f420084a3681d4e96bc7fde1a2', X'34b49ab04adc4f538df5c2a54b466b7d', 'public::embedded::order::charge', X'ea062b96cebe4a94a42820ef94488a5a', '2026-11-27T01:40:15.883626810+00:00', '2026-11-27T01:40:15.883626810+00:00');
INSERT INTO task_execution_metadata VALUES (X'a5ed325a2806451fa11b6ce19993d7aa', X'19efb62e03444cc884b1c16007be499a', X'440dd71551214ba5be1aee2d46aa3808', 'public::embedded::order::prepare', X'411b1d04f25447bbbba9df5662765cdd', '2026-11-27T01:40:16.268313302+00:00', '2026-11-27T01:40:16.268313302+00:00');
INSERT INTO task_execution_metadata VALUES (X'f074bfbc95444ecdb41f16388a396b6d', X'757da776792f4a3f9dc352f14ac4ae93', X'2fd44b9169ff491089cf68502302deae', 'public::embedded::order::prepare', X'35e0069501e54b2e8ba3c148acf98a0f', '2026-11-27T01:40:17.376426871+00:00', '2026-11-27T01:40:17.376426871+00:00');

CREATE TABLE cron_schedules (
    id BLOB,
    workflow_name TEXT,
    cron_expression TEXT,
    timezone TEXT,
    enabled INTEGER,
    catchup_policy TEXT,
    start_date TEXT,
    end_date TEXT,
    next_run_at TEXT,
    last_run_at TEXT,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO cron_schedules VALUES (X'a5b37ae0f1414dd6b624989927d75e6e', 'order', '0 3 * * *', 'Europe/Oslo', 1, 'skip', NULL, NULL, '2026-11-27T02:00:00+00:00', NULL, '2026-11-27T01:40:17.159658453+00:00', '2026-11-27T01:40:17.159658453+00:00');
INSERT INTO cron_schedules VALUES (X'c4315551b8e2490fa1795b997d7b55c8', 'order', '*/5 * * * *', 'UTC', 0, 'skip', NULL, NULL, '2026-11-27T01:45:00+00:00', NULL, '2026-11-27T01:40:17.180859783+00:00', '2026-11-27T01:40:17.200255457+00:00');
