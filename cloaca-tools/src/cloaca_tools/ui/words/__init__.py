"""Durations, counts, instants, schedules and acts in the words of a page. Pure."""
