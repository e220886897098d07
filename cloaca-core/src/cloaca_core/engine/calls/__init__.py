"""What a caller asks of an engine: operations, their arguments, and the ways to wait."""
