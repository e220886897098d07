"""Work of commands on a schema: examine, query, read an old one, make tenants."""
