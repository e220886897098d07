"""When bodies that need places of limits ask for them, and begin."""
