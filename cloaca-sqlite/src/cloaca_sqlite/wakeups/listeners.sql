-- Statements about the stores that have the file open and listen on a socket.


-- name: note_listener
-- Note that a store listens.
INSERT OR REPLACE INTO cloaca_listener (
    path, boot_id, pid_namespace, pid, process_start, uid, noted_at
)
VALUES (:path, :boot_id, :pid_namespace, :pid, :process_start, :uid, :noted_at);


-- name: forget_listener
-- Remove a listener that has closed or died.
DELETE FROM cloaca_listener WHERE path = :path;


-- name: forget_strangers
-- Remove listeners of earlier boots. Whether those of other containers and users live cannot be seen
-- from here: they are removed when they were noted before :long_ago, and note themselves again.
DELETE FROM cloaca_listener
WHERE boot_id <> :boot_id
    OR ((pid_namespace <> :pid_namespace OR uid <> :uid) AND noted_at < :long_ago);


-- name: list_listeners
-- List the listeners that this process can reach.
SELECT path, boot_id, pid_namespace, pid, process_start FROM cloaca_listener
WHERE boot_id = :boot_id AND pid_namespace = :pid_namespace AND uid = :uid;
