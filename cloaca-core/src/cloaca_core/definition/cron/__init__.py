"""Cron expressions: the instants at which they tick."""
