"""Runs whose workflow no live runner has."""
