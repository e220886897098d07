"""Log lines of bodies, and their progress, stored with the run."""
