"""Rows between the engine and the store: runs, attempts, schedules, triggers. Pure."""
