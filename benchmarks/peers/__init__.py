"""Comparable engines with the same work: one run of one step, started and waited for.

One module per engine, each a separate program: ``python -m benchmarks.peers.dbos_engine URL``.
None of them tunes its engine; each uses it as the first page of its documentation says.
"""
