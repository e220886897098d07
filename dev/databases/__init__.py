"""PostgreSQL for tests and programs: its programs, a server, the databases on it."""
