"""Commands that serve until a signal comes, and the runners that do."""
