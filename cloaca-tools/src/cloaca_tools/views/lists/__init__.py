"""Lists of runs, and the filters that select them."""
