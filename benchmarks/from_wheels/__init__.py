"""Measures wheels in environments made for it: the tasks ``bench`` and ``bench --peers``."""
