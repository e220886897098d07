"""Child runs for which a body or a node of their parent waits."""
