"""The calls into an engine: operations, their arguments, and the ways to wait."""
