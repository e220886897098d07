"""How stores of one schema wake one another after a commit."""
