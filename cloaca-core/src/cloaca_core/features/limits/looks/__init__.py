"""Looks at the use of limits. Loaded with the first look: few look at limits."""
