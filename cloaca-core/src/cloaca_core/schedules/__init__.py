"""When a schedule fires: pure arithmetic of time, apart from the loop that fires.

Instants are whole microseconds since 1970 in UTC, as the store keeps them. Nothing in here reads a
clock, waits, or knows a store.
"""
