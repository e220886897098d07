-- What is asked and noted about the schema itself, before any other statement can be prepared.


-- name: list_tables
-- Every table of the database, whoever made it.
SELECT name FROM sqlite_master WHERE type = 'table';


-- name: list_migrations
-- The migrations that were applied, in their order.
SELECT number, name, checksum FROM cloaca_migration ORDER BY number;


-- name: record_migration
-- Note a migration that was applied in this transaction.
INSERT INTO cloaca_migration (number, name, checksum, applied_at)
VALUES (:number, :name, :checksum, :applied_at);
