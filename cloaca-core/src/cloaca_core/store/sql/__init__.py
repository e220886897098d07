"""The SQL store for all backends; each adds a dialect and a few statements."""
