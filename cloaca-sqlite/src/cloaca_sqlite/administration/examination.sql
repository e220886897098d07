-- Statements that look at the file itself: its settings, its pages and what it consists of, and at
-- runners of any version.


-- name: fleet
-- List the runners by the columns that the first version had already, oldest first.
SELECT id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
FROM cloaca_runner ORDER BY started_at, id;


-- name: list_made
-- List the tables and indexes, those of other programs too.
SELECT name FROM sqlite_master WHERE type IN ('table', 'index');


-- name: journal_mode
-- Read how the file keeps its log: wal, or another way.
PRAGMA journal_mode;


-- name: auto_vacuum
-- Read whether pages that become free can be given back: 0 for never, 2 for a few at a time.
PRAGMA auto_vacuum;


-- name: pages
-- Read how many pages the file has and how many bytes each.
SELECT page_count, page_size FROM pragma_page_count, pragma_page_size;


-- name: integrity
-- Check all pages and indexes: one row "ok", or a row for each fault, the first hundred.
PRAGMA integrity_check(100);
