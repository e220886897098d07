"""Programs to learn from; start each in this folder. None imports another."""
