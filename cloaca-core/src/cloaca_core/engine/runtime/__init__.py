"""Tools for loops and threads, which know no run."""
