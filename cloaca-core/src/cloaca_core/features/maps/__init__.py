"""A task whose body runs once for each item of its data."""
