"""Finds runs by conditions."""
