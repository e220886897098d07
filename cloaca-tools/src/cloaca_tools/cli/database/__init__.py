"""Commands about a database as a whole, and about what is installed."""
