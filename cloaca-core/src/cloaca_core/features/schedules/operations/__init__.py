"""Operations about cron schedules.

``schedules`` and ``backfill`` check arguments. ``schedule_table`` answers, on the engine's loop.
"""
