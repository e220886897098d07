"""Event triggers: what they are, what their functions say, and what follows from that. Pure, but
for the ready-made functions in ``files`` and ``new_rows``, which look at the world.
"""
