"""PLAN: the state of a run, and the steps that follow from it. Pure."""
