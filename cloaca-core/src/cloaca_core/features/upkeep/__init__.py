"""Ended runs are deleted when they have been kept long enough."""
