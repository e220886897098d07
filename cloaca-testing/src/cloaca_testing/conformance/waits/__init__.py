"""Contract of rows that bodies and nodes wait for or keep."""
