"""How stores of one file wake one another, and notice what other programs write."""
