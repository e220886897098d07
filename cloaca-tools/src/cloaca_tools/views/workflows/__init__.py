"""Workflows, by what their runs have done."""
