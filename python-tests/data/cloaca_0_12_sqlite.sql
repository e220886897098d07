-- What cloaca 0.12.0 has written, without the tables that no import reads.

CREATE TABLE contexts (
    id BLOB,
    value TEXT,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO contexts VALUES (X'e70a6d8eb6f44772a575f1ea17f88291', '{"kind":"ends","n":1}', '2026-11-27T01:40:18.057585443+00:00', '2026-11-27T01:40:18.057585443+00:00');
INSERT INTO contexts VALUES (X'291d0dcf14834eedac2e82d0cb3fada8', '{"kind":"ends","n":1,"prepared":true}', '2026-11-27T01:40:18.159467373+00:00', '2026-11-27T01:40:18.159467373+00:00');
INSERT INTO contexts VALUES (X'38fff9fadbc44bee9e5be886541241e8', '{"prepared":true,"paid":5,"n":1,"kind":"ends"}', '2026-11-27T01:40:18.259124365+00:00', '2026-11-27T01:40:18.259124365+00:00');
INSERT INTO contexts VALUES (X'56aafde0bef0463c88e7b0698e8778be', '{"kind":"fails","n":2}', '2026-11-27T01:40:18.579073143+00:00', '2026-11-27T01:40:18.579073143+00:00');
INSERT INTO contexts VALUES (X'46afd11833e0493f9fbbb93b5ced8170', '{"kind":"fails","n":2,"prepared":true}', '2026-11-27T01:40:18.661184150+00:00', '2026-11-27T01:40:18.661184150+00:00');
INSERT INTO contexts VALUES (X'47a314607ac042a7aa5c334866c852d3', '{"kind":"dies","n":3}', '2026-11-27T01:40:19.095444754+00:00', '2026-11-27T01:40:19.095444754+00:00');
INSERT INTO contexts VALUES (X'211d3e7aec584e058ca4acfa0227c468', '{"prepared":true,"kind":"dies","n":3}', '2026-11-27T01:40:19.160711204+00:00', '2026-11-27T01:40:19.160711204+00:00');

CREATE TABLE task_executions (
    id BLOB,
    workflow_execution_id BLOB,
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
    updated_at TEXT,
    sub_status TEXT,
    claimed_by BLOB,
    heartbeat_at TEXT
);
INSERT INTO task_executions VALUES (X'9cad3292c4cd44c2a62dfa773c1aad57', X'145ecfdbe99f43f2be08363b50e216c2', 'public::embedded::order::prepare', 'Completed', '2026-11-27T01:40:18.157904590+00:00', '2026-11-27T01:40:18.162278124+00:00', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:18.064304+00:00', '2026-11-27T01:40:18.163053129+00:00', NULL, NULL, NULL);
INSERT INTO task_executions VALUES (X'24d9266c72ea4a62a6f317799fc600fb', X'145ecfdbe99f43f2be08363b50e216c2', 'public::embedded::order::charge', 'Completed', '2026-11-27T01:40:18.258153605+00:00', '2026-11-27T01:40:18.264613710+00:00', 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:18.064304+00:00', '2026-11-27T01:40:18.265779273+00:00', NULL, NULL, NULL);
INSERT INTO task_executions VALUES (X'e7d7286e919a489980c348a3bf97974a', X'c6634cfde1644b8fbb41e733cd196071', 'public::embedded::order::prepare', 'Completed', '2026-11-27T01:40:18.659371851+00:00', '2026-11-27T01:40:18.665225976+00:00', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:18.580008377+00:00', '2026-11-27T01:40:18.666185195+00:00', NULL, NULL, NULL);
INSERT INTO task_executions VALUES (X'23733d6c96ba46ac89eee274873e99aa', X'c6634cfde1644b8fbb41e733cd196071', 'public::embedded::order::charge', 'Failed', '2026-11-27T01:40:18.856770533+00:00', '2026-11-27T01:40:18.857980970+00:00', 2, 2, NULL, '{"type":"Always"}', '{}', '2026-11-27T01:40:18.766843634+00:00', 'Task execution error: Task execution failed: Python task execution failed: ValueError: no money', 0, NULL, '2026-11-27T01:40:18.580008377+00:00', '2026-11-27T01:40:18.859017042+00:00', NULL, NULL, NULL);
INSERT INTO task_executions VALUES (X'9d60780f29ec484a94faaece28598a80', X'e38b3ee7763c4abdb836b88680f182a6', 'public::embedded::order::prepare', 'Completed', '2026-11-27T01:40:19.158878327+00:00', '2026-11-27T01:40:19.163738542+00:00', 1, 3, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:19.096215672+00:00', '2026-11-27T01:40:19.176757964+00:00', NULL, NULL, NULL);
INSERT INTO task_executions VALUES (X'17efa41b35a74a46800c33a9c0f56707', X'e38b3ee7763c4abdb836b88680f182a6', 'public::embedded::order::charge', 'Running', '2026-11-27T01:40:19.258002535+00:00', NULL, 1, 2, NULL, '{"type":"Always"}', '{}', NULL, NULL, 0, NULL, '2026-11-27T01:40:19.096215672+00:00', '2026-11-27T01:40:19.258002535+00:00', NULL, X'52dc3207ee444d948bd88675c68690bf', '2026-11-27T01:40:19.256675220+00:00');

CREATE TABLE task_execution_metadata (
    id BLOB,
    task_execution_id BLOB,
    workflow_execution_id BLOB,
    task_name TEXT,
    context_id BLOB,
    created_at TEXT,
    updated_at TEXT
);
INSERT INTO task_execution_metadata VALUES (X'11c67ad056714e32887520e4d240bb3d', X'9cad3292c4cd44c2a62dfa773c1aad57', X'145ecfdbe99f43f2be08363b50e216c2', 'public::embedded::order::prepare', X'291d0dcf14834eedac2e82d0cb3fada8', '2026-11-27T01:40:18.161464928+00:00', '2026-11-27T01:40:18.161464928+00:00');
INSERT INTO task_execution_metadata VALUES (X'2288e8ae68264e9e85b4d2ad37622af5', X'24d9266c72ea4a62a6f317799fc600fb', X'145ecfdbe99f43f2be08363b50e216c2', 'public::embedded::order::charge', X'38fff9fadbc44bee9e5be886541241e8', '2026-11-27T01:40:18.259941549+00:00', '2026-11-27T01:40:18.259941549+00:00');
INSERT INTO task_execution_metadata VALUES (X'35e21d644e52493aa9da09304ef90b7a', X'e7d7286e919a489980c348a3bf97974a', X'c6634cfde1644b8fbb41e733cd196071', 'public::embedded::order::prepare', X'46afd11833e0493f9fbbb93b5ced8170', '2026-11-27T01:40:18.664375080+00:00', '2026-11-27T01:40:18.664375080+00:00');
INSERT INTO task_execution_metadata VALUES (X'64d8d54b180346a8a252d8ae1a1e578a', X'9d60780f29ec484a94faaece28598a80', X'e38b3ee7763c4abdb836b88680f182a6', 'public::embedded::order::prepare', X'211d3e7aec584e058ca4acfa0227c468', '2026-11-27T01:40:19.162776145+00:00', '2026-11-27T01:40:19.162776145+00:00');

CREATE TABLE workflow_executions (
    id BLOB,
    workflow_name TEXT,
    workflow_version TEXT,
    status TEXT,
    context_id BLOB,
    started_at TEXT,
    completed_at TEXT,
    error_details TEXT,
    recovery_attempts INTEGER,
    last_recovery_at TEXT,
    paused_at TEXT,
    pause_reason TEXT,
    created_at TEXT,
    updated_at TEXT,
    trigger_origin TEXT
);
INSERT INTO workflow_executions VALUES (X'145ecfdbe99f43f2be08363b50e216c2', 'order', 'c28d6da131ad3234', 'Completed', X'38fff9fadbc44bee9e5be886541241e8', '2026-11-27T01:40:18.064304+00:00', '2026-11-27T01:40:18.357747174+00:00', NULL, 0, NULL, NULL, NULL, '2026-11-27T01:40:18.064304+00:00', '2026-11-27T01:40:18.357747174+00:00', NULL);
INSERT INTO workflow_executions VALUES (X'c6634cfde1644b8fbb41e733cd196071', 'order', 'c28d6da131ad3234', 'Failed', X'46afd11833e0493f9fbbb93b5ced8170', '2026-11-27T01:40:18.580008377+00:00', '2026-11-27T01:40:18.956209799+00:00', '1 task(s) failed, 1 completed, 0 skipped', 0, NULL, NULL, NULL, '2026-11-27T01:40:18.580008377+00:00', '2026-11-27T01:40:18.956209799+00:00', NULL);
INSERT INTO workflow_executions VALUES (X'e38b3ee7763c4abdb836b88680f182a6', 'order', 'c28d6da131ad3234', 'Running', X'47a314607ac042a7aa5c334866c852d3', '2026-11-27T01:40:19.096215672+00:00', NULL, NULL, 0, NULL, NULL, NULL, '2026-11-27T01:40:19.096215672+00:00', '2026-11-27T01:40:19.257264148+00:00', NULL);

CREATE TABLE schedules (
    id BLOB,
    schedule_type TEXT,
    workflow_name TEXT,
    enabled INTEGER,
    cron_expression TEXT,
    timezone TEXT,
    catchup_policy TEXT,
    start_date TEXT,
    end_date TEXT,
    trigger_name TEXT,
    poll_interval_ms INTEGER,
    allow_concurrent INTEGER,
    next_run_at TEXT,
    last_run_at TEXT,
    last_poll_at TEXT,
    created_at TEXT,
    updated_at TEXT,
    paused INTEGER,
    paused_at TEXT,
    params TEXT,
    instance_name TEXT
);
INSERT INTO schedules VALUES (X'd4386cf8e9364e89bf3408374f3fbbaf', 'cron', 'order', 1, '0 3 * * *', 'Europe/Oslo', 'skip', NULL, NULL, NULL, NULL, 0, '2026-11-27T02:00:00+00:00', NULL, NULL, '2026-11-27T01:40:19.083621049+00:00', '2026-11-27T01:40:19.083621049+00:00', 0, NULL, NULL, NULL);
INSERT INTO schedules VALUES (X'97609f97696c40fa96ea302870f96d20', 'cron', 'order', 0, '*/5 * * * *', 'UTC', 'skip', NULL, NULL, NULL, NULL, 0, '2026-11-27T01:45:00+00:00', NULL, NULL, '2026-11-27T01:40:19.088812518+00:00', '2026-11-27T01:40:19.094075271+00:00', 0, NULL, NULL, NULL);
