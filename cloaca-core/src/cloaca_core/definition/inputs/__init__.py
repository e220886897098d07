"""The input that a workflow declares: its schema, the check of it, and its defaults."""
