"""Cron schedules make runs."""
