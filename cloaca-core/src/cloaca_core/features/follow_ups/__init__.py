"""Runs that follow the ends of other runs."""
