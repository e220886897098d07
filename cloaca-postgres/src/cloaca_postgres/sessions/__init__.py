"""Sessions: opened, each running a transaction in one round trip, kept in a pool."""
