"""Measures wheels in temporary environments: the tasks ``bench`` and ``bench --peers``."""
