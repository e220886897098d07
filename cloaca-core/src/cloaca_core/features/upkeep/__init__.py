"""Ended runs are deleted when their retention is over."""
