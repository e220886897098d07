"""Limits: so many bodies or runs at once, and so many in a time, over all processes."""
