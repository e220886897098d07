-- Sockets of the stores that have the file open, by which they wake one another. The other columns
-- say for whom the path means the same: processes of one boot, pid namespace and user. A listener
-- whose row is gone notes itself again.
CREATE TABLE cloaca_listener (
    path TEXT NOT NULL PRIMARY KEY,
    boot_id TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    noted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
