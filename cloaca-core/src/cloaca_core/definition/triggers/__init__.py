"""Event triggers: their definitions and the results of their functions. Pure, except for the
ready-made functions in ``file_arrival`` and ``new_rows``, which read files and databases.
"""
