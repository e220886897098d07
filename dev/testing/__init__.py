"""Runs of the tests: planned, run on the built wheels, reported; and rules broken on purpose."""
