"""EXECUTE: user code runs in here and nowhere else."""
