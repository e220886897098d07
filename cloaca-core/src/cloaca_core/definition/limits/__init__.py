"""Limits: so many bodies or runs at once, so many in a time, over all processes."""
