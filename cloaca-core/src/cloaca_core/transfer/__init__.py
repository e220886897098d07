"""Moves work between databases: copies, backups, cases for tests, imports from cloaca 0.x.

``copy`` copies a database as a whole, ``case`` takes one run out of it.
"""
