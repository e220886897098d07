"""What the methods of a client and its handles return: results, history, explanations."""
