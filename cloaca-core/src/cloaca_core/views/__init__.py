"""The answers of a client and its handles: results, history, explanations."""
