"""Renders, builds, tries and releases the four distributions."""
