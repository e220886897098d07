"""People steer runs and workflows: they cancel, pause and resume them."""
