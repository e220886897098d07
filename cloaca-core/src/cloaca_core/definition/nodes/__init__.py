"""``sleep``, ``wait_for``, ``approval``: check their options and declare a node without a body."""
