"""Runs that are submitted when other runs end."""
