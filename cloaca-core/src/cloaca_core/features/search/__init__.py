"""Runs by the conditions that people ask for."""
