-- Statements about the schema and the session, beside the operations of the store.


-- name: forget_search_path
-- Set the search_path of this transaction to the server's configured value, behind a pooler: another
-- program may have left its own in the session.
SELECT set_config('search_path', reset_val, true)
FROM pg_catalog.pg_settings WHERE name = 'search_path';


-- name: server
-- Read the id of the server process that runs this transaction, and the server's version, encoding, default
-- isolation level and recovery state, the current schema, and whether there is the one that is asked
-- for. Checked once, when the database is opened.
SELECT
    pg_backend_pid(), current_setting('server_version_num')::int, current_setting('server_encoding'),
    current_setting('default_transaction_isolation'), pg_is_in_recovery(), current_schema(),
    EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = CAST(:schema AS TEXT));


-- name: who_answers
-- Read the id of the server process that runs this transaction.
SELECT pg_backend_pid();


-- name: enter_session
-- Set up a session. Names are looked up in the schema only; a commit returns when it is durable
-- (unless :durable is 0); the server cancels statements and idle transactions after a limit, as it
-- may not notice that a client is gone, and neither limit counts while it waits for the rest of a
-- transaction that has come in part: it asks whether the client's machine still answers; and rows are found by indexes, whether or not PostgreSQL
-- has statistics on the tables. :plan_cache_mode lets sessions that write plan a statement once
-- (see runs.sql), and those that read plan it each time. Where another process answers than :pid,
-- nothing is set: a pooler stands before the server, and may give the session to another client.
SELECT
    set_config('search_path', quote_ident(:schema) || ', pg_temp', false),
    set_config('synchronous_commit', CASE
        WHEN CAST(:durable AS INTEGER) = 0 THEN 'off'
        WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
        ELSE current_setting('synchronous_commit')
    END, false),
    set_config('statement_timeout', :statement_timeout, false),
    set_config('idle_in_transaction_session_timeout', :statement_timeout, false),
    set_config('tcp_keepalives_idle', '8', false),
    set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('plan_cache_mode', :plan_cache_mode, false),
    set_config('enable_seqscan', 'off', false),
    set_config('random_page_cost', '1', false),
    set_config('jit', 'off', false)
WHERE pg_backend_pid() = CAST(:pid AS INTEGER);


-- name: enter_transaction
-- Set up one transaction in the same way, behind a pooler, which may run the next one in another
-- session.
SELECT
    set_config('search_path', quote_ident(:schema) || ', pg_temp', true),
    set_config('synchronous_commit', CASE
        WHEN CAST(:durable AS INTEGER) = 0 THEN 'off'
        WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
        ELSE current_setting('synchronous_commit')
    END, true),
    set_config('statement_timeout', :statement_timeout, true),
    set_config('plan_cache_mode', :plan_cache_mode, true),
    set_config('enable_seqscan', 'off', true),
    set_config('random_page_cost', '1', true),
    set_config('jit', 'off', true);


-- name: refuse_writes
-- Let the session only read: it is for a program that looks on.
SELECT set_config('default_transaction_read_only', 'on', false)
WHERE pg_backend_pid() = CAST(:pid AS INTEGER);


-- name: refuse_writes_now
-- Let this transaction only read, behind a pooler.
SELECT set_config('transaction_read_only', 'on', true);


-- name: where_am_i
-- Read the schema in which names are looked up, the isolation level, and the database's clock in
-- µs.
SELECT
    current_schema(), current_setting('transaction_isolation'),
    CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT);


-- name: which_database
-- Read what tells this server, database and schema from others. The time of the server's start, in
-- µs, tells it from its copies, which have the same system identifier.
SELECT concat_ws(
    ' ', extract(epoch FROM pg_postmaster_start_time()),
    (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
    current_schema()
);


-- name: clock
-- Read the database's clock, in µs.
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT);


-- name: list_tables
-- List our tables and views in the schema.
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND relkind IN ('r', 'p', 'v') AND starts_with(relname, 'cloaca_')
ORDER BY relname;


-- name: list_migrations
-- List the migrations that were applied, in their order.
SELECT number, name, checksum FROM cloaca_migration ORDER BY number;


-- name: record_migration
-- Record a migration that was applied in this transaction.
INSERT INTO cloaca_migration (number, name, checksum, applied_at)
VALUES (:number, :name, :checksum, :applied_at);


-- name: record_base
-- Record the base in the place of the first of the migrations before it. applied_at stays: it identifies
-- the database.
UPDATE cloaca_migration SET name = :name, checksum = :checksum WHERE number = 1;


-- name: lock_migrations
-- Keep other migrations of this schema out until the transaction ends; readers are not kept out. An
-- advisory lock would not do: any role of the database could take it and block migrations. This
-- lock is only for roles that may write in the schema.
LOCK TABLE cloaca_migration IN SHARE ROW EXCLUSIVE MODE;


-- name: allow_time
-- Allow more time than other statements have: for a migration, and for waiting until another
-- process's migration ends.
SELECT set_config('statement_timeout', :statement_timeout, true);


-- name: begin
-- Begin a transaction in which the program decides between statements.
BEGIN ISOLATION LEVEL READ COMMITTED;


-- name: body_begins
-- Begin the transaction of a task's body, in which the driver has made none yet. The savepoint is lost
-- if the body ends it.
SAVEPOINT cloaca_body;


-- name: body_returned
-- Fail if the body has ended its transaction. All that it wrote stays in the transaction.
RELEASE SAVEPOINT cloaca_body;


-- name: commit
-- Commit the transaction.
COMMIT;


-- name: rollback
-- Roll the transaction back.
ROLLBACK;


-- name: free_keys
-- Find those of these (workflow, key) that no user's transaction says it is writing, as in
-- insert_run. A transaction with many keys also takes one lock for all keys, which is not checked
-- here.
WITH seed AS MATERIALIZED (
    SELECT applied_at AS value FROM cloaca_migration WHERE number = 1
)
SELECT wanted
FROM unnest(CAST(:keys AS TEXT[])) AS wanted
WHERE pg_try_advisory_xact_lock_shared(hashtextextended(
    (CAST(wanted AS JSON) ->> 1) COLLATE "C",
    hashtextextended((CAST(wanted AS JSON) ->> 0) COLLATE "C", (SELECT value FROM seed))
));


-- name: wait_at_most
-- Limit how long each statement of this transaction waits for a lock.
SELECT set_config('lock_timeout', :lock_timeout, true);


-- name: notify
-- Notify the runners that listen that something has changed, with the id of the sender.
SELECT pg_notify(:channel, :sender);


-- name: runs_written
-- Read how often rows of runs were written, from the server's statistics; reads none of our tables.
-- The view pg_stat_all_tables has the same numbers, and takes a millisecond to plan.
SELECT CAST(
    pg_stat_get_tuples_inserted(run) + pg_stat_get_tuples_updated(run)
        + pg_stat_get_tuples_deleted(run) AS BIGINT
)
FROM CAST(CAST('cloaca_run' AS REGCLASS) AS OID) AS run;


-- name: newest_transaction
-- Read a number that grows with every transaction that writes; reads none of our tables.
SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT);
