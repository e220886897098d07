"""When a failed body runs again."""
