-- What is asked and noted about the schema and the session, beside the operations of the store.


-- name: forget_search_path
-- What a pooler's session was left with by somebody else does not say where we are to work; what
-- the server is configured with does.
SELECT set_config('search_path', reset_val, true)
FROM pg_catalog.pg_settings WHERE name = 'search_path';


-- name: server
-- What a session must be to be of use, asked once when the database is opened.
SELECT
    current_setting('server_version_num')::int, current_setting('server_encoding'),
    current_setting('default_transaction_isolation'), pg_is_in_recovery(), current_schema();


-- name: who_answers
-- The process of the server that this transaction runs in.
SELECT pg_backend_pid();


-- name: has_schema
-- Whether a schema is there.
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = CAST(:schema AS TEXT));


-- name: enter_session
-- What every statement of a session rests on: nothing outside the schema can be named without
-- saying so; finished means finished; a server that is not heard gives up by itself; rows are
-- found by an index, whatever is (not) known of the tables when a statement is planned: once by
-- sessions that write (see runs.sql), each time by those that read.
SELECT
    set_config('search_path', quote_ident(:schema) || ', pg_temp', false),
    set_config('synchronous_commit', CASE
        WHEN CAST(:durable AS INTEGER) = 0 THEN 'off'
        WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
        ELSE current_setting('synchronous_commit')
    END, false),
    set_config('statement_timeout', :statement_timeout, false),
    set_config('idle_in_transaction_session_timeout', :statement_timeout, false),
    set_config('plan_cache_mode', :plan_cache_mode, false),
    set_config('enable_seqscan', 'off', false),
    set_config('random_page_cost', '1', false),
    set_config('jit', 'off', false);


-- name: enter_transaction
-- The same for one transaction, where a pooler may give the next one another session.
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


-- name: where_am_i
-- The schema that names are looked up in, how transactions see one another, and the database's
-- clock.
SELECT current_schema(), current_setting('transaction_isolation'), CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT);


-- name: clock
-- The database's clock, in µs.
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT);


-- name: list_tables
-- Which of our tables the schema has.
SELECT relname FROM pg_catalog.pg_class
WHERE relnamespace = CAST(quote_ident(:schema) AS REGNAMESPACE)
    AND relkind IN ('r', 'p', 'v') AND starts_with(relname, 'cloaca_')
ORDER BY relname;


-- name: list_migrations
-- The migrations that were applied, in their order.
SELECT number, name, checksum FROM cloaca_migration ORDER BY number;


-- name: record_migration
-- Note a migration that was applied in this transaction.
INSERT INTO cloaca_migration (number, name, checksum, applied_at)
VALUES (:number, :name, :checksum, :applied_at);


-- name: lock_migrations
-- Keep every other migration of this schema out until the transaction ends, and every role that may write in
-- it alone: any role of the database can take an advisory lock. Who reads is not kept out.
LOCK TABLE cloaca_migration IN SHARE ROW EXCLUSIVE MODE;


-- name: allow_time
-- A migration, and the wait for another one's, may take longer than other statements.
SELECT set_config('statement_timeout', :statement_timeout, true);


-- name: begin
-- Begin a transaction with decisions between its statements.
BEGIN ISOLATION LEVEL READ COMMITTED;


-- name: commit
-- End it.
COMMIT;


-- name: rollback
-- Undo it.
ROLLBACK;


-- name: free_keys
-- Find those of these (workflow, key) that no user's transaction says it is writing, as in insert_run.
-- The lock that a transaction with many keys takes for all of them together is not looked at.
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
-- Tell who listens that something has changed, and who says so.
SELECT pg_notify(:channel, :sender);


-- name: runs_written
-- How often rows of runs were written, as far as the server has counted; asking touches no table.
SELECT CAST(n_tup_ins + n_tup_upd + n_tup_del AS BIGINT) FROM pg_catalog.pg_stat_all_tables
WHERE relid = CAST('cloaca_run' AS REGCLASS);


-- name: newest_transaction
-- A number that grows with every transaction that writes; asking touches no table.
SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT);
