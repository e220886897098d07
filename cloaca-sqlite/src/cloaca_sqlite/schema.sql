-- Statements about the schema itself, executed before any other statement can be prepared.


-- name: list_tables
-- List every table of the database, including those of other programs.
SELECT name FROM sqlite_master WHERE type = 'table';


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
