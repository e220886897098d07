"""CLAIM: runs come from the table, within limits."""
