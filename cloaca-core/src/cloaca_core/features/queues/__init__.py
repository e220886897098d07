"""Queues: runners that serve some of them, and runs that move from one to another."""
