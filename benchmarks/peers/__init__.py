"""What cloaca's neighbours cost for the same: one run of one step, begun and waited for.

One module per engine, each a program of its own: ``python -m benchmarks.peers.dbos_engine URL``.
None of them tunes its engine; every engine is taken as its first page says.
"""
