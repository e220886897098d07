"""DEFINE: the objects that a user writes; checked at once, then immutable."""
