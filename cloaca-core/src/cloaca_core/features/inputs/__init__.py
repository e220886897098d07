"""Inputs that workflows declare: the defaults that were filled in are recorded with the run."""
