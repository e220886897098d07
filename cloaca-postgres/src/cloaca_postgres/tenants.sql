-- How a tenant is made and removed. {names} are composed as identifiers and literals.


-- name: limit
-- A tenant's own sessions may hold what is to be changed: wait a while for them, not for ever.
SET LOCAL lock_timeout = '10s';


-- name: schema_mark
-- Whose the schema of this name is; no row when there is none.
SELECT obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace
WHERE nspname = {schema};


-- name: role_mark
-- Whose the role of this name is; no row when there is none.
SELECT shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles
WHERE rolname = {role};


-- name: create_schema
-- The administrator owns it.
CREATE SCHEMA {schema};


-- name: mark_schema
-- Note the tenant's role as the comment of the schema. That locks the schema until the transaction
-- ends, against others who write its comment; for any role but its owner it fails.
COMMENT ON SCHEMA {schema} IS {mark};


-- name: create_role
-- It may log in and nothing else.
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD {password};


-- name: mark_role
-- Say whose it is.
COMMENT ON ROLE {role} IS {mark};


-- name: set_password
-- Renew it. What is sent is its hash, so that no log of the server holds it.
ALTER ROLE {role} LOGIN PASSWORD {password};


-- name: enter
-- Migrate the tenant's schema in this transaction.
SET LOCAL search_path = {schema}, pg_temp;


-- name: can_connect
-- Whether the role may connect to this database already, as everybody may by default.
SELECT has_database_privilege({role}, current_database(), 'CONNECT');


-- name: let_connect
-- Only where everybody's right to connect was taken away.
GRANT CONNECT ON DATABASE {database} TO {role};


-- name: keep_others_out
-- Everybody's rights, should the administrator's defaults give some.
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;


-- name: open_schema
-- The schema itself.
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};


-- name: open_tables
-- What is in it.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};


-- name: open_sequences
-- What is in it.
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};


-- name: open_later_tables
-- What the administrator will add to it.
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};


-- name: open_later_sequences
-- What the administrator will add to it.
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
    GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role};


-- name: drop_schema
-- The schema with everything in it, whoever made it.
DROP SCHEMA {schema} CASCADE;


-- name: can_log_in
-- Whether anybody can log in as the role.
SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = {role};


-- name: forbid_login
-- End logins as the role from the commit on.
ALTER ROLE {role} NOLOGIN;


-- name: allow_login
-- Undo forbid_login.
ALTER ROLE {role} LOGIN;


-- name: has_rights_of
-- Whether the administrator has the rights of the role already.
SELECT pg_has_role({role}, 'USAGE');


-- name: join_role
-- An administrator who is no superuser but made the role may become a member.
GRANT {role} TO CURRENT_USER;


-- name: leave_role
-- Undo join_role.
REVOKE {role} FROM CURRENT_USER;


-- name: end_sessions
-- End the sessions of the role, in whichever database; newer servers wait until they are gone, and
-- what they held and had for themselves (temporary tables) with them.
SELECT pg_terminate_backend(pid{limit}) FROM pg_catalog.pg_stat_activity WHERE usename = {role};


-- name: drop_owned
-- Drop everything that the role owns in this database outside of its schema, such as large objects,
-- and rights that it was given: each would keep the role from being dropped.
DROP OWNED BY {role};


-- name: drop_role
-- The role.
DROP ROLE {role};
