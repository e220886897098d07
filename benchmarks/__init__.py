"""Benchmarks: cloaca's speed beside a floor, the bare cost of its writes, on the same disk."""
