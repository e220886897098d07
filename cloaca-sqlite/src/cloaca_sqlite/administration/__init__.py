"""Work of commands on a file: examine, query, back up, read an old one."""
