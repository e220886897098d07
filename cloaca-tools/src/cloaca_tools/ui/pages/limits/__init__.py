"""The pages of limits.

* ``limits``: all of them, and one with its keys, holders and waiters.
* ``changes``: the forms of other settings, each with what it would do.
"""
