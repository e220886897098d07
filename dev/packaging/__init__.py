"""Renders, builds, tries and releases the six distributions."""
