"""Explains the state of a run: pure rules turn facts into words."""
