"""Contract of schedules and triggers."""
