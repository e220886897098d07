"""The settings of limits: rates, and how many bodies at once."""
