"""Runs wait for a time, an event or a person's decision."""
