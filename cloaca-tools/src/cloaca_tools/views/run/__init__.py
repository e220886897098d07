"""One run, closely."""
