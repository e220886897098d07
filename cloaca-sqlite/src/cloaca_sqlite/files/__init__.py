"""The files of a database: a connection that checks them, locks, and the log."""
