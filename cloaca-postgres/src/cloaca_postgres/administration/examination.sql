-- Statements that look at the server and at what our schema consists of. None but fleet reads our
-- tables.


-- name: fleet
-- List the runners by the columns that the first version had already, oldest first.
SELECT id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
FROM cloaca_runner ORDER BY started_at, id;


-- name: list_made
-- List our tables and indexes in the schema.
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND relkind IN ('r', 'p', 'i', 'I') AND starts_with(relname, 'cloaca_');


-- name: server_facts
-- Read the server's version and the settings that decide whether commits are durable and whether
-- tables are cleaned up.
SELECT
    current_setting('server_version'), current_setting('server_version_num')::int,
    current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('autovacuum'), current_setting('track_counts'),
    current_setting('max_connections')::int;


-- name: connections
-- Count the connections to the server, and find for how many seconds the oldest open transaction of
-- this database has been open. Of other roles' transactions only a monitoring role sees the start.
SELECT
    count(*),
    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start))
        FILTER (WHERE datname = current_database()), 0)::bigint
FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend';


-- name: tables_without_vacuum
-- List our tables for which autovacuum was switched off.
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND relkind = 'r' AND starts_with(relname, 'cloaca_')
    AND EXISTS (
        SELECT 1 FROM unnest(reloptions) AS one (option)
        WHERE option IN ('autovacuum_enabled=false', 'autovacuum_enabled=off')
    )
ORDER BY relname;


-- name: invalid_indexes
-- List our indexes that the server does not use, as a build of them was broken off.
SELECT made.relname FROM pg_catalog.pg_index AS one
JOIN pg_catalog.pg_class AS made ON made.oid = one.indexrelid
WHERE made.relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND starts_with(made.relname, 'cloaca_') AND NOT (one.indisvalid AND one.indisready)
ORDER BY made.relname;


-- name: size
-- Read how many bytes our tables take, with their indexes.
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_catalog.pg_class
WHERE relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND relkind = 'r' AND starts_with(relname, 'cloaca_');


-- name: may_check_indexes
-- Tell whether the extension amcheck is there and this role may use it.
SELECT coalesce(bool_or(has_function_privilege(oid, 'EXECUTE')), FALSE)
FROM pg_catalog.pg_proc
WHERE proname = 'bt_index_check' AND pronargs = 1 AND pg_function_is_visible(oid);


-- name: indexes
-- List our indexes, to be checked one by one.
SELECT made.relname, made.oid::bigint FROM pg_catalog.pg_class AS made
JOIN pg_catalog.pg_am AS way ON way.oid = made.relam AND way.amname = 'btree'
WHERE made.relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND made.relkind = 'i' AND starts_with(made.relname, 'cloaca_')
ORDER BY made.relname;


-- name: check_index
-- Check the order within an index; the server raises an error where it is wrong.
SELECT bt_index_check(CAST(:index AS OID)::regclass);


-- name: notify_examiner
-- Send a notification to the channel of this examination alone.
SELECT pg_notify(:channel, '');
