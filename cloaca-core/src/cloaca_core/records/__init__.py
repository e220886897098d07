"""Rows between the engine and the store: runs, attempts, schedules, triggers. Pure.

Modules of named tuples have no ``from __future__ import annotations``: with it, Python compiles the
annotation of each field again, which was a third of the time that their import takes.
"""
