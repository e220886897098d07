"""Programs to learn from; each is started in this folder, and none imports another."""
