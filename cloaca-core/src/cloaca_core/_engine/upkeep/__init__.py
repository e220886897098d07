"""Deletes trees of runs that have ended long ago: ``cutoffs`` says which may go, ``batches`` how
many rows go at once, ``pruner`` deletes them, ``sweeps`` does so every hour.
"""
