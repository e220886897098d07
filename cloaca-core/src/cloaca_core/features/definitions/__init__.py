"""Definitions that runners record, for programs that lack their code."""
