"""Keeps the state: the contract, its SQL implementation, and the choice of a backend."""
