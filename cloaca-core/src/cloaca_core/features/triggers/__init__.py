"""Triggers make runs of what a function of the user finds."""
