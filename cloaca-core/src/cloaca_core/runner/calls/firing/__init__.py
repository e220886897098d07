"""Calls about schedules and triggers, which make runs (see ``_engine/fire``).

``schedules``, ``backfill`` and ``triggers`` check arguments. The tables answer, on the engine's
loop: ``schedule_table`` and ``trigger_table``.
"""
