"""Contract of limits.

* ``places``: who gets places, in which order, and who gives them back.
* ``of_runs``: places that belong to runs, and places for runs that no runner has.
* ``settings``: what people see and change.
"""
