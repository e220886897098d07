"""Values that every other part may hold: JSON, names, instants, ids, arguments.

The clock, and the pauses and ids that need it, are here as well. The rest is pure.
"""
