"""Starts the programs of ``examples/`` on the built wheels: ``demo`` and ``examples.all``."""
