"""Simulates a workflow under faults: several real engines on one virtual time and one database.

``simulate`` is the entry. A ``plan`` of faults and calls follows from a seed; ``world`` tells the
story, in which each ``runner`` is an engine of the test kit with a loop of its own, sees the one
``store`` over a slow network, and is called by ``callers``; ``checks`` judge what the tables say.
"""
