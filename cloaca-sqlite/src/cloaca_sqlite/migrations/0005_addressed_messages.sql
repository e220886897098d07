-- for_task, for_item: the task, or the item of a map, that a message is for; NULL: the first that waits
-- for it. A decision names whose it is.
ALTER TABLE cloaca_message ADD COLUMN for_task TEXT;
ALTER TABLE cloaca_message ADD COLUMN for_item INTEGER NOT NULL DEFAULT -1;

-- Decisions that no task has read are for the first waits of their names.
UPDATE cloaca_message SET for_task = paired.task_id, for_item = paired.item
FROM (
    SELECT come.run_id, come.id, asked.task_id, asked.item
    FROM (
        SELECT
            run_id, id, name, row_number() OVER (PARTITION BY run_id, name ORDER BY number) AS place
        FROM cloaca_message
        WHERE kind = 'approval' AND taken_by IS NULL AND number IS NOT NULL
    ) AS come
    JOIN (
        SELECT
            run_id, task_id, item, name,
            row_number() OVER (PARTITION BY run_id, name ORDER BY item, number) AS place
        FROM cloaca_wait
        WHERE kind = 'approval' AND timed_out = 0
    ) AS asked ON asked.run_id = come.run_id AND asked.name = come.name AND asked.place = come.place
) AS paired
WHERE cloaca_message.run_id = paired.run_id AND cloaca_message.id = paired.id;

DROP VIEW cloaca_message_readable;

CREATE VIEW cloaca_message_readable AS
SELECT
    run_id, number, id, kind, name, payload, dedupe_key, sent_by,
    strftime('%Y-%m-%dT%H:%M:%S', sent_at / 1000000, 'unixepoch')
        || printf('.%06dZ', sent_at % 1000000) AS sent_at,
    taken_by, taken_item, for_task, for_item
FROM cloaca_message
WHERE NOT EXISTS (
    SELECT 1 FROM cloaca_tombstone AS gone
    JOIN cloaca_run AS run ON gone.root_id = coalesce(run.root_id, run.id)
    WHERE run.id = cloaca_message.run_id
);
