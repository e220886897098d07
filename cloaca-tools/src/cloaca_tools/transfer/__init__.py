"""Looks at databases as a whole, and moves work between them; everything is opened by its URL.

``status``, ``backup`` and ``copy`` are about a database as it is; ``case`` takes a run out of one,
``import_0x`` takes over what cloaca 0.2 or 0.12 has written.
"""
