"""Merging by rule: what a rule makes of the values of branches, and the keys that have rules."""
