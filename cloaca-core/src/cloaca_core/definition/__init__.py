"""DEFINE: the objects that a user writes, checked when written, then immutable."""
