"""FIRE: time and events make runs."""
