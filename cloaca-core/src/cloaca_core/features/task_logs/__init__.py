"""Lines that bodies log, and their progress, kept with the run."""
