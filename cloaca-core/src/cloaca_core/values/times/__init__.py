"""Instants, durations, limits and the clock."""
