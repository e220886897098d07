"""The SQL store, once for all backends, which bring a dialect and a few statements."""
