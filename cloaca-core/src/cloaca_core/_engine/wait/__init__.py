"""Waits: what runs wait for, and what ends it: an instant, a message, a person's decision."""
