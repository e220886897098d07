"""RECOVER: which runners are dead, and whose runs are free."""
