"""Tasks of ended runs run again: retries in place, and forks."""
