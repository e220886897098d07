"""Runs wait for a time, an event or a decision of a person."""
