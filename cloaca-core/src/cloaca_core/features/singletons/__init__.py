"""Singletons: at most one run of a workflow and key is under way."""
