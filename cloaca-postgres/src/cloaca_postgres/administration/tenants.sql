-- Statements that make and remove a tenant. {names} are composed as identifiers and literals.


-- name: limit
-- Wait at most ten seconds for each lock: the tenant's own sessions may hold what is to be changed.
SET LOCAL lock_timeout = '10s';


-- name: schema_mark
-- Read the comment of a schema, which names the tenant's role; no row if the schema does not exist.
SELECT obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace
WHERE nspname = {schema};


-- name: list_tenants
-- Read the names of all tenants' schemas and, from their comments, of their roles.
SELECT nspname, substr(obj_description(oid, 'pg_namespace'), length({mark}) + 1)
FROM pg_catalog.pg_namespace
WHERE starts_with(obj_description(oid, 'pg_namespace'), {mark})
ORDER BY nspname COLLATE "C";


-- name: role_mark
-- Read the comment of a role, which names the tenant; no row if the role does not exist.
SELECT shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles
WHERE rolname = {role};


-- name: create_schema
-- Create the tenant's schema. The administrator owns it.
CREATE SCHEMA {schema};


-- name: mark_schema
-- Note the tenant's role as the comment of the schema. This locks the schema until the transaction
-- ends against other administrators who write its comment; it fails for any role but the owner.
COMMENT ON SCHEMA {schema} IS {mark};


-- name: create_role
-- Create a role that may log in and has no other privilege.
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD {password};


-- name: mark_role
-- Note the tenant as the comment of the role.
COMMENT ON ROLE {role} IS {mark};


-- name: set_password
-- Set a new password. The password's hash is sent, so no log of the server holds the password.
ALTER ROLE {role} LOGIN PASSWORD {password};


-- name: enter
-- Make the rest of this transaction, the migrations, work in the tenant's schema.
SET LOCAL search_path = {schema}, pg_temp;


-- name: can_connect
-- Tell whether the role may connect to this database already, as every role may by default.
SELECT has_database_privilege({role}, current_database(), 'CONNECT');


-- name: let_connect
-- Let the role connect. Executed only where that right was revoked from PUBLIC.
GRANT CONNECT ON DATABASE {database} TO {role};


-- name: keep_others_out
-- Revoke all rights of other roles, which the administrator's default privileges may have given.
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;


-- name: open_schema
-- Let the role use the schema and create objects in it.
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};


-- name: open_tables
-- Let the role read and write the schema's tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};


-- name: open_sequences
-- Let the role use the schema's sequences.
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};


-- name: open_later_tables
-- Let the role read and write tables that the administrator adds later.
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};


-- name: open_later_sequences
-- Let the role use sequences that the administrator adds later.
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
    GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role};


-- name: drop_schema
-- Drop the schema with everything in it, including what other roles made.
DROP SCHEMA {schema} CASCADE;


-- name: can_log_in
-- Tell whether the role may log in.
SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {role};


-- name: forbid_login
-- End logins as the role from the commit on.
ALTER ROLE {role} NOLOGIN;


-- name: allow_login
-- Undo forbid_login.
ALTER ROLE {role} LOGIN;


-- name: has_rights_of
-- Tell whether the administrator has the rights of the role already.
SELECT pg_has_role({role}, 'USAGE');


-- name: join_role
-- Make the administrator a member of the role. Without being superuser, this is allowed for the
-- role's creator.
GRANT {role} TO CURRENT_USER;


-- name: leave_role
-- Undo join_role.
REVOKE {role} FROM CURRENT_USER;


-- name: end_sessions
-- End the sessions of the role in all databases. Newer servers wait until the sessions are gone,
-- with their locks and temporary tables.
SELECT pg_terminate_backend(pid{limit}) FROM pg_catalog.pg_stat_activity WHERE usename = {role};


-- name: drop_owned
-- Drop what the role owns in this database outside of its schema, such as large objects, and rights
-- that it was given: each would keep the role from being dropped.
DROP OWNED BY {role};


-- name: drop_role
-- Drop the role.
DROP ROLE {role};
