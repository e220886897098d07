"""Times of schedules: pure arithmetic, separate from the loop that fires them.

Instants are whole microseconds since 1970 in UTC, as stored. Nothing in here waits or knows a
store; only ``explain_schedule`` reads a clock, if its caller gives no time.
"""
