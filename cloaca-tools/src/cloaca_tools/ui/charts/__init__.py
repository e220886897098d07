"""Charts as numbers for templates: pure, without a clock."""
