"""Finds what is wrong with a database and its surroundings; reads only.

``diagnosis`` is the entry. Backends examine what they alone know (``store.protocols.examination``);
``work`` reads the rest through the store as ``facts``, ``judgement`` judges them.
"""
